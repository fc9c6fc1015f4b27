"""A part of a JSON text as an answer shows it: what it is, and its first members. Pure.

    container  {pointer, kind, count, size, label?, members?, next?}
    text       {pointer, kind, value, is_cut?, size?}
    others     {pointer, kind, value}

A member also has its `key`: a name, or an index. size: bytes of the JSON text. count: of members.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workflows.browsing import pointers, scanning
from workflows.browsing.scanning import Broken
from workflows.browsing.text import Text

KINDS = {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}
NUMBER = "number"
MEMBER_BYTES = 60  # what a member takes in an answer beside its key and value, about
LABELLED_BYTES = 4_096
_WHOLE_SIGNS = re.compile(r'(?:[^"\\]|\\(?:u[0-9a-fA-F]{4}|[^u]))*+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the members of a container go on. at: byte of the member `index`. count, size: the container's."""

    pointer: str
    index: int
    at: int
    count: int | None
    size: int | None


class NoSuchPart(LookupError):
    """nearest: how far the pointer leads; kind and count: of what is there."""

    def __init__(self, *, nearest: str, kind: str, count: int | None) -> None:
        super().__init__(nearest)
        self.nearest, self.kind, self.count = nearest, kind, count


@dataclass(kw_only=True)
class Shown:
    """How much one answer shows. limit: members of each container. string_bytes: of a text among them.

    bytes_left: of the whole answer, about; at least one member is shown. link: writes a Place down.
    label: what to call a small container whose members are not shown.
    """

    limit: int
    string_bytes: int
    bytes_left: int
    link: Callable[[Place], str]
    label: Callable[[Any], str] | None = None

    def take(self, count: int) -> None:
        self.bytes_left -= count


class Reader:
    """Reads parts of `text`, whose root `base` leads to. Its methods raise Broken."""

    def __init__(self, text: Text, *, base: str = "") -> None:
        self.text = text
        self.base = base

    def find(self, names: tuple[str, ...]) -> tuple[int, str]:
        """Where the value begins to which `names` lead, and its pointer. Raises NoSuchPart."""
        at, pointer = 0, self.base
        for name in names:
            at = self._member(at, name, pointer)
            pointer = pointers.child(pointer, name)
        return at, pointer

    def _member(self, at: int, name: str, pointer: str) -> int:
        kind = self.kind(at)
        stop = scanning.Stop(at, 0, is_closed=True)
        if kind == "object":
            needle = scanning.needle_of(name)
            stop = scanning.walk(self.text, at + 1, needle=needle)
            if not stop.is_closed:
                return stop.at + len(needle)
        elif kind == "array":
            index = pointers.index_of(name)
            if index == 0 and not self._is_empty(at):
                return at + 1
            stop = scanning.walk(self.text, at + 1, commas=index)
            if not stop.is_closed:
                return stop.at
        count = self._count(at, stop) if kind in ("object", "array") else None
        raise NoSuchPart(nearest=pointer, kind=kind, count=count)

    def show(
        self, at: int, pointer: str, shown: Shown, *, depth: int, after: Place | None = None
    ) -> dict[str, Any]:
        """The value at `at`, its members `depth` levels deep. after: where a page before this one ended."""
        if after is not None and depth:
            size = None if after.size is None else at + after.size
            return self._members(at, pointer, shown, depth=depth, after=after, end=size)[0]
        return self._value(at, pointer, shown, depth=depth, string_bytes=shown.bytes_left)[0]

    def show_member(self, at: int, pointer: str, shown: Shown, *, depth: int) -> dict[str, Any]:
        """The same, as one of several that share `shown`: a long text is cut."""
        shown.take(MEMBER_BYTES + len(pointer))
        return self._value(at, pointer, shown, depth=depth, string_bytes=shown.string_bytes)[0]

    def glance(self, pointer: str) -> dict[str, Any]:
        """The root without a look at what is in it."""
        return {"pointer": pointer, "kind": self.kind(0), "count": None, "size": self.text.size}

    def end(self, at: int) -> int:
        """Behind the value that begins at `at`."""
        kind = self.kind(at)
        if kind in ("object", "array"):
            return scanning.walk(self.text, at + 1).at
        return (scanning.string_end if kind == "string" else scanning.primitive_end)(self.text, at)

    def kind(self, at: int) -> str:
        first = self.text.byte(at)
        kind = KINDS.get(first, NUMBER)
        if kind == NUMBER and first not in b"-0123456789":
            raise Broken(f"no value at {at}")
        return kind

    def _value(
        self, at: int, pointer: str, shown: Shown, *, depth: int, string_bytes: int
    ) -> tuple[dict[str, Any], int]:
        """What an answer says of a value, and where it ends."""
        kind = self.kind(at)
        if kind in ("object", "array"):
            if depth:
                return self._members(at, pointer, shown, depth=depth)
            return self._closed(at, pointer, kind, shown)
        if kind == "string":
            return self._string(at, pointer, shown, string_bytes=string_bytes)
        end = scanning.primitive_end(self.text, at)
        return {"pointer": pointer, "kind": kind, "value": scanning.loaded(self.text.read(at, end - at))}, end

    def _closed(self, at: int, pointer: str, kind: str, shown: Shown) -> tuple[dict[str, Any], int]:
        stop = scanning.walk(self.text, at + 1)
        size = stop.at - at
        node = {"pointer": pointer, "kind": kind, "count": self._count(at, stop), "size": size}
        if shown.label is not None and size <= LABELLED_BYTES:
            node["label"] = shown.label(scanning.loaded(self.text.read(at, size)))
        return node, stop.at

    def _members(
        self,
        at: int,
        pointer: str,
        shown: Shown,
        *,
        depth: int,
        after: Place | None = None,
        end: int | None = None,
    ) -> tuple[dict[str, Any], int]:
        kind = self.kind(at)
        index, place = (0, at + 1) if after is None else (after.index, after.at)
        members: list[dict[str, Any]] = []
        following: int | None = place
        if after is None and self._is_empty(at):
            following, place = None, at + 2
        while following is not None and len(members) < shown.limit and (shown.bytes_left > 0 or not members):
            member, place = self._keyed(following, kind, index + len(members), pointer, shown, depth=depth)
            members.append(member)
            following = self._behind(place)
            place += 1
        index += len(members)
        count, end = self._extent(place, following, index, after, end)
        size = end - at
        page = Place(pointer=pointer, index=index, at=place, count=count, size=size)
        node = {
            "pointer": pointer,
            "kind": kind,
            "count": count,
            "size": size,
            "members": members,
            "next": None if following is None else shown.link(page),
        }
        return node, end

    def _extent(
        self, place: int, following: int | None, index: int, after: Place | None, end: int | None
    ) -> tuple[int | None, int]:
        """How many members a container has, and where it ends: known from an earlier page, or looked for."""
        if following is None:
            return index, place
        if after is not None and end is not None:
            return after.count, end
        rest = scanning.walk(self.text, following)
        return index + rest.commas + 1, rest.at

    def _keyed(
        self, at: int, kind: str, index: int, pointer: str, shown: Shown, *, depth: int
    ) -> tuple[dict[str, Any], int]:
        key: str | int = index
        if kind == "object":
            key, at = scanning.key_at(self.text, at)
        path = pointers.child(pointer, key)
        shown.take(MEMBER_BYTES + len(path) + len(str(key)))
        bound = min(shown.string_bytes, max(shown.bytes_left, 1))
        node, end = self._value(at, path, shown, depth=depth - 1, string_bytes=bound)
        return {"key": key, **node}, end

    def _string(
        self, at: int, pointer: str, shown: Shown, *, string_bytes: int
    ) -> tuple[dict[str, Any], int]:
        end = scanning.string_end(self.text, at)
        size = end - at - 2
        shown.take(min(size, string_bytes))
        if size <= string_bytes:
            value = scanning.loaded(self.text.read(at, end - at))
            return {"pointer": pointer, "kind": "string", "value": value}, end
        text = self.text.read(at + 1, string_bytes).decode(errors="ignore")
        whole = _WHOLE_SIGNS.match(text)
        value = scanning.loaded(b'"%b"' % (whole[0] if whole else "").encode())
        node = {"pointer": pointer, "kind": "string", "value": value, "is_cut": True, "size": end - at}
        return node, end

    def _behind(self, at: int) -> int | None:
        """Where the member after the one that ends at `at` begins; None: it was the last."""
        sign = self.text.byte(at)
        if sign not in (b",", b"]", b"}"):
            raise Broken(f"neither a comma nor an end at {at}")
        return at + 1 if sign == b"," else None

    def _is_empty(self, at: int) -> bool:
        return self.text.byte(at + 1) in (b"]", b"}")

    def _count(self, at: int, stop: scanning.Stop) -> int:
        return 0 if self._is_empty(at) else stop.commas + 1
