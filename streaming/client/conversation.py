"""What a client says to Longhaul, what it makes of the answers, and when it tries again: one core for both clients.

No socket, no clock, no library: each method is a program of effects (`effects.py`), which `client.py` performs with
threads and `async_client.py` with asyncio.
"""

import random
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from streaming.client.effects import Answer, Ask, Emit, Open, Pause, Program, Request
from streaming.client.errors import Cut, LogReset, Refused, RunEnded, Unreachable
from streaming.client.following import RUNS, Deadline, Following, refused
from streaming.client.patience import PATIENT, Pace, Patience
from streaming.client.performing import changed
from streaming.client.picture import Picture
from streaming.client.place import Place

PAGE_ITEMS = 200

OnCut = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    patience: Patience = PATIENT
    clock: Callable[[], float] = time.monotonic
    roll: Callable[[], float] = random.random

    def ask(self, request: Request, *, repeats: bool = True) -> Program[Answer]:
        """A good answer. repeats: whether to ask again while the server is away. Raises Refused, Unreachable."""
        pace = Pace(self.patience, self.roll)
        give_up_at = self.clock() + self.patience.give_up
        while True:
            wish = None
            try:
                answer: Answer = yield Ask(request)
            except Cut as cut:
                why = str(cut)
            else:
                if answer.is_good:
                    return answer
                refusal = refused(request, status=answer.status, problem=answer.problem)
                if not answer.is_passing:
                    raise refusal
                why, wish = str(refusal), answer.retry_after_seconds
            wait = pace.after(wish_seconds=wish)
            if not repeats or self.clock() + wait > give_up_at:
                raise Unreachable(why)
            yield Pause(wait)

    def read(self, path: str, **query: str | int) -> Program[dict[str, Any]]:
        answer = yield from self.ask(Request(path=path, query=query, headers={"Accept": "application/json"}))
        return _body(answer)

    def start(self, body: Mapping[str, Any], *, idempotency_key: str | None) -> Program[dict[str, Any]]:
        """One run, however often it had to be asked for: the key, ours if not the caller's, goes with every try."""
        request = Request(
            method="POST",
            path=RUNS,
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4()), "Accept": "application/json"},
            json={name: value for name, value in body.items() if value is not None},
        )
        answer = yield from self.ask(request)
        return _body(answer)

    def snapshot(self, run: str) -> Program[dict[str, Any]]:
        return (yield from self.read(f"{RUNS}/{run}"))

    def items(self, run: str, *, step: str | None) -> Program[None]:
        """Emits each current item."""
        after: int | str | None = 0
        while after is not None:
            query = {"after": after, "limit": PAGE_ITEMS, **({"step": step} if step else {})}
            page = yield from self.read(f"{RUNS}/{run}/items", **query)
            for item in page["items"]:
                yield Emit(item)
            after = page["next"]

    def follow(
        self,
        run: str,
        *,
        after: int | str,
        timeout_seconds: float | None,
        on_cut: OnCut | None,
    ) -> Program[None]:
        """Emits what the log says, to the end of the run's round. See `Client.follow`."""
        yield from self._follow(run, after=after, deadline=self._deadline(timeout_seconds), on_cut=on_cut)

    def _deadline(self, seconds: float | None) -> Deadline:
        return Deadline() if seconds is None else Deadline(self.clock() + seconds, seconds)

    def _follow(
        self, run: str, *, after: int | str, deadline: Deadline, on_cut: OnCut | None = None
    ) -> Program[None]:
        following = Following(run, after=after, mind=lambda: deadline.check(self.clock()))
        pace = Pace(self.patience, self.roll)
        while True:
            opened_at = self.clock()
            try:
                wish = yield from self._stream(following)
            except Cut as cut:
                wish = cut.wish_seconds
                if on_cut is not None:
                    on_cut(str(cut))
            if following.is_over:
                return
            now = self.clock()
            deadline.check(now)
            wait = pace.after(healthy_seconds=now - opened_at, wish_seconds=wish)
            yield Pause(min(wait, max(0.0, deadline.at - now)))

    def _stream(self, following: Following) -> Program[float | None]:
        """One connection, to its end. Returns after how many seconds the server wants us back. Raises Cut, Refused."""
        request = following.request()
        answer: Answer = yield Open(request)
        if answer.is_good:
            wish = yield from following.read()
            return wish
        refusal = refused(request, status=answer.status, problem=answer.problem)
        if not answer.is_passing:
            raise refusal
        raise Cut(str(refusal), wish_seconds=answer.retry_after_seconds)

    def watch(self, run: str, *, timeout_seconds: float | None, on_cut: OnCut | None) -> Program[None]:
        """Emits the run's picture as it was read, and after each line of its log."""
        deadline = self._deadline(timeout_seconds)
        while True:
            picture = yield from self._picture(run)
            yield Emit(picture)
            program = self._follow(run, after=cursor_of(picture.run), deadline=deadline, on_cut=on_cut)
            with suppress(LogReset):  # of another log: a new picture
                yield from changed(program, picture.apply)
                return

    def _picture(self, run: str) -> Program[Picture]:
        snapshot = yield from self.snapshot(run)
        items: list[dict[str, Any]] = []
        try:
            yield from changed(self.items(run, step=None), items.append)
        except Refused as refusal:
            if refusal.status != 403:  # who may not see items sees the rest
                raise
        return Picture(snapshot, items)

    def result(self, run: str, *, timeout_seconds: float | None) -> Program[Any]:
        """The run's output, once it is there. Raises TimedOut, RunEnded."""
        deadline = self._deadline(timeout_seconds)
        while not (snapshot := (yield from self.snapshot(run)))["is_terminal"]:
            program = self._follow(run, after=cursor_of(snapshot), deadline=deadline)
            with suppress(LogReset):  # what we followed from is gone: look again
                yield from changed(program, lambda _: None)
            deadline.check(self.clock())
        if snapshot["state"] != "completed":
            raise RunEnded(snapshot)
        body = yield from self.read(f"{RUNS}/{run}/result")
        return body["result"]


def cursor_of(snapshot: Mapping[str, Any]) -> str:
    """Where the log goes on from a snapshot."""
    return Place(snapshot["epoch"], snapshot["seq"]).cursor


def _body(answer: Answer) -> dict[str, Any]:
    """Raises Unreachable for what only something between us and the server can have said."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unreachable(f"the answer {answer.status} is no JSON object: is this the address of a Longhaul?")
    return body
