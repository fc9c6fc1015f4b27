"""What a completed run gives, part by part: of a large result only as much is read, and held, as is shown."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db import close_old_connections

from outbox import wire
from workflows import browsing, storage
from workflows.browsing import NoSuchPart, Place, Reader, Shown, Text
from workflows.conf import conf
from workflows.models import Run, Step
from workflows.services.outputs import blob_of, parts_with_output
from workflows.states import RunState, StepKind

CHUNK_BYTES = 65_536
PARTS_AT_ONCE = 100
UNDONE = (RunState.COMPENSATING, RunState.COMPENSATED, RunState.COMPENSATION_FAILED)
KIND_NAMES = {"object": "an object", "array": "a list", "string": "a text", "null": "null"}
SALT = "workflows.results"


class ForeignCursor(ValueError):
    """`after` is not what an earlier page of this part gave. The message is a sentence for the caller."""


@dataclass(frozen=True)
class Output:
    """As a step's row has it: the value itself, or the file that holds it."""

    value: Any
    file: dict[str, Any] | None

    @contextmanager
    def text(self) -> Iterator[Text]:
        """Its JSON. Raises StoredValueLost, also for what cannot be read in it."""
        if self.file is None:
            data = wire.encode(self.value)
            yield Text(BytesIO(data), len(data))
            return
        with storage.opened(self.file["name"]) as file:
            try:
                yield Text(file, self.file["size"])
            except browsing.Broken:
                raise storage.damaged() from None

    def verify(self) -> None:
        """Raises StoredValueLost when the file is not what was stored."""
        if self.file is not None:
            storage.verify(self.file["name"], sha256=self.file["sha256"])

    @property
    def sha256(self) -> str:
        return str(self.file["sha256"]) if self.file else blob_of(self.value).sha256


@dataclass(frozen=True)
class Whole:
    """The JSON text of a part. size: in bytes; None: not known before it was read."""

    chunks: Generator[bytes, None, None]
    size: int | None


def missing(run: Run) -> tuple[str, str] | None:
    """Why the run has no result, as slug of a problem and a sentence; None: it has one."""
    if run.state in UNDONE:
        return "result-lost", "The run was undone, and its result with it: run it again for a new one."
    if run.state != RunState.COMPLETED:
        return "run-not-finished", f"The run is {run.state}: its result is there once it has completed."
    return None


def leads_nowhere(pointer: str, error: NoSuchPart) -> str:
    """A sentence for who asked for `pointer`."""
    what = KIND_NAMES.get(error.kind, f"a {error.kind}")
    if error.count is not None:
        what += f" with {error.count} {'entries' if error.kind == 'array' else 'members'}"
    return f"The result has nothing at {pointer[:200]}: at {error.nearest[:200] or 'its root'} is {what}."


def last_step(run: Run) -> Step:
    """The step whose output is the run's result."""
    return run.steps.filter(parent__isnull=True).defer("output", "item").order_by("-position")[0]


def is_large(run: Run) -> bool:
    """Its result is not to be built in memory: it is in a file, or in many rows."""
    last = last_step(run)
    return last.kind == StepKind.FAN_OUT or last.output_file is not None


def read_part(
    run: Run,
    names: tuple[str, ...],
    *,
    depth: int,
    limit: int,
    after: str | None = None,
    label: Callable[[Any], str] | None = None,
) -> dict[str, Any]:
    """What `names` lead to in the result, its first `limit` members, `depth` levels of them; see `browsing.parts`.

    after: `next` of the page before. label: of `browsing.Shown`. Raises NoSuchPart, ForeignCursor, StoredValueLost.
    """
    last = last_step(run)
    if last.kind == StepKind.FAN_OUT and not names:
        shown = _shown(limit, label, source=str(last.pk))
        return _page_of_parts(last, shown, depth=depth, after=after)
    output, base, rest = _output_of(last, names)
    source = f"{last.pk}:{output.sha256[:16]}"
    with output.text() as text:
        reader = Reader(text, base=base)
        at, pointer = reader.find(rest)
        place = _place(after, source=source, pointer=pointer)
        return reader.show(at, pointer, _shown(limit, label, source=source), depth=depth, after=place)


def read_whole(run: Run, names: tuple[str, ...] = ()) -> Whole:
    """All of what `names` lead to, compared with its hash first. Raises NoSuchPart, StoredValueLost."""
    last = last_step(run)
    if last.kind == StepKind.FAN_OUT and not names:
        files = (
            parts_with_output(last).filter(output_file__isnull=False).values_list("output_file", flat=True)
        )
        for file in files.iterator(chunk_size=PARTS_AT_ONCE):
            Output(None, file).verify()
        return Whole(_all_parts(last), None)
    output, base, rest = _output_of(last, names)
    output.verify()
    with output.text() as text:
        reader = Reader(text, base=base)
        start, _ = reader.find(rest)
        end = reader.end(start) if rest else text.size
    return Whole(_stretch(output, start, end), end - start)


def _output_of(last: Step, names: tuple[str, ...]) -> tuple[Output, str, tuple[str, ...]]:
    """The output that `names` lead into, the pointer of its root, and what is left of `names`. Raises NoSuchPart."""
    if last.kind != StepKind.FAN_OUT:
        row = Step.objects.values_list("output", "output_file").get(pk=last.pk)
        return Output(*row), "", names
    index = browsing.index_of(names[0])
    parts = parts_with_output(last).values_list("output", "output_file")
    rows = [] if index is None else list(parts[index : index + 1])
    if not rows:
        raise NoSuchPart(nearest="", kind="array", count=parts.count())
    return Output(*rows[0]), browsing.child("", names[0]), names[1:]


def _page_of_parts(last: Step, shown: Shown, *, depth: int, after: str | None) -> dict[str, Any]:
    """The outputs of a fan-out as the list that they are. One that is a file is not read to count what is in it."""
    place = _place(after, source=str(last.pk), pointer="")
    first = place.index if place else 0
    parts = parts_with_output(last).values_list("output", "output_file")
    count = parts.count()
    node: dict[str, Any] = {"pointer": "", "kind": "array", "count": count, "size": None}
    if not depth:
        return node
    members: list[dict[str, Any]] = []
    for index, row in enumerate(parts[first : first + shown.limit], start=first):
        if shown.bytes_left <= 0:
            break
        members.append({"key": index, **_part_shown(Output(*row), index, shown, depth=depth - 1)})
    following = first + len(members)
    page = Place(pointer="", index=following, at=0, count=count, size=None)
    link = shown.link(page) if following < count and members else None
    return {**node, "members": members, "next": link}


def _part_shown(output: Output, index: int, shown: Shown, *, depth: int) -> dict[str, Any]:
    pointer = browsing.child("", index)
    with output.text() as text:
        reader = Reader(text, base=pointer)
        if output.file is not None and reader.kind(0) != "string":
            shown.take(browsing.MEMBER_BYTES)
            return reader.glance(pointer)
        return reader.show_member(0, pointer, shown, depth=depth)


def _all_parts(last: Step) -> Generator[bytes, None, None]:
    yield b"["
    parts, done = parts_with_output(last).values_list("output", "output_file"), 0
    while rows := list(parts[done : done + PARTS_AT_ONCE]):
        close_old_connections()  # whoever reads slowly holds none
        for row in rows:
            if done:
                yield b","
            yield from _stretch(Output(*row), 0, None)
            done += 1
    yield b"]"


def _stretch(output: Output, start: int, end: int | None) -> Generator[bytes, None, None]:
    with output.text() as text:
        end = text.size if end is None else end
        for at in range(start, end, CHUNK_BYTES):
            yield text.read(at, min(CHUNK_BYTES, end - at))


def _shown(limit: int, label: Callable[[Any], str] | None, *, source: str) -> Shown:
    limits = conf()
    return Shown(
        limit=limit,
        string_bytes=limits.result_string_max_bytes,
        bytes_left=limits.result_part_max_bytes,
        link=partial(_link, source),
        label=label,
    )


def _link(source: str, place: Place) -> str:
    return Signer(salt=SALT).sign_object(
        [source, place.pointer, place.index, place.at, place.count, place.size]
    )


def _place(after: str | None, *, source: str, pointer: str) -> Place | None:
    """Raises ForeignCursor: also when the result is another one since."""
    if after is None:
        return None
    try:
        of, at_pointer, index, at, count, size = Signer(salt=SALT).unsign_object(after)
    except (BadSignature, ValueError):
        of = at_pointer = None
    if (of, at_pointer) != (source, pointer):
        raise ForeignCursor(
            "this cursor is not of this part: take `next` of the page before as it is, with the same pointer"
        )
    return Place(pointer=pointer, index=index, at=at, count=count, size=size)
