"""Every order in which a log, two relays, Redis and a client can act, and every two faults, explored to the end.

The decisions are not the model's own: what Redis answers to an append comes from the script on a real server, what
the relay makes of an answer from its own statements on a real database. Each is asked once for each input it meets.

What the model taught is kept as tests: an append that refuses gaps alone leaves a client stuck after a flush; one
that compares its cursor with the database's head is never left behind.
"""

from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from outbox import cursors, wire
from outbox.backlog import Waiting
from outbox.cursors import Move
from outbox.models import Stream
from outbox.publisher import Appended, Batch, Diverged, Gap, RedisPublisher
from tests.factories import make_stream

pytestmark = pytest.mark.django_db

EVENTS, FAULTS = 4, 2
KEY = uuid4()

FAULTY = ("crash", "failover", "flush", "trim")

Relay = (
    tuple[()] | tuple[str, int, int]
)  # idle; or what it is about to do, its number, `published` as it read it


class State(NamedTuple):
    head: int = 0
    published: int = 0
    stream: tuple[int, ...] = ()
    last: int | None = None  # last id that Redis remembers; None: there is no key
    relays: tuple[Relay, Relay] = ((), ())
    client: int = 0
    faults: int = 0


class Reality:
    """The real decisions."""

    def __init__(self, redis_client: Any) -> None:
        self._redis, self._publisher = redis_client, RedisPublisher(redis_client)
        self._row = make_stream(key=KEY, shard=0)
        self.append, self.move, self.rewind = cache(self._append), cache(self._move), cache(self._rewind)

    def _append(self, last: int | None, base: int) -> Appended | Gap:
        """One event, number base + 1, to a stream that ends at `last`."""
        key = wire.run_stream(0, KEY, 1)
        self._redis.delete(key)
        for seq in range(1, (last or 0) + 1):
            self._redis.xadd(key, {"aud": "public", "e": _envelope(seq)}, id=f"{seq}-0")
        entries = [("public", _envelope(base + 1))]
        batch = Batch(key=KEY, shard=0, epoch=1, base=base, first=base + 1, entries=entries, closes=False)
        (answer,) = self._publisher.publish([batch])
        assert isinstance(answer, Appended | Gap)
        return answer

    def _move(self, head: int, published: int, last: int) -> int:
        self._set(head, published)
        cursors.move_cursors([Move(KEY, 1, last, 0)])
        return self._published()

    def _rewind(self, head: int, published: int, seen: int, last: int) -> int:
        self._set(head, published)
        cursors.rewind(Waiting(KEY, 0, 1, head, seen, 0, False, 0, []), last)
        return self._published()

    def _set(self, head: int, published: int) -> None:
        Stream.objects.filter(key=KEY).update(head=head, published=published, dirty=True)

    def _published(self) -> int:
        return Stream.objects.values_list("published", flat=True).get(key=KEY)


def _envelope(seq: int) -> bytes:
    return wire.encode({"id": f"event {seq}", "seq": seq})


def acts(state: State, reality: Reality, *, checks_head: bool) -> Iterator[tuple[str, State]]:
    """Everything that can happen next."""
    if state.head < EVENTS:
        yield "write", state._replace(head=state.head + 1)
    for number in (0, 1):
        yield from _relay_acts(state, number, reality)
    if state.faults < FAULTS:
        yield from _faults(state)
    news = [seq for seq in state.stream if seq > state.client]
    if news:
        # A client reads what is missing between its cursor and the news from the database.
        yield "deliver", state._replace(client=news[0])
    if checks_head and state.client < state.head:
        yield "head check", state._replace(client=state.client + 1)


def _relay_acts(state: State, number: int, reality: Reality) -> Iterator[tuple[str, State]]:
    def put(relay: Relay) -> tuple[Relay, Relay]:
        return (relay, state.relays[1]) if number == 0 else (state.relays[0], relay)

    match state.relays[number]:
        case ():
            if state.published < state.head:
                yield "claim", state._replace(relays=put(("send", state.published, state.published)))
            return
        case ("send", base, _):
            yield "append", _appended(state, base, put, reality)
        case ("move", last, _):
            moved = reality.move(state.head, state.published, last)
            yield "move", state._replace(published=moved, relays=put(()))
        case ("rewind", last, seen):
            moved = reality.rewind(state.head, state.published, seen, last)
            yield "rewind", state._replace(published=moved, relays=put(()))
    if state.faults < FAULTS:
        yield "crash", state._replace(relays=put(()), faults=state.faults + 1)


def _appended(state: State, base: int, put: Any, reality: Reality) -> State:
    match reality.append(state.last, base):
        case Gap(last=last):
            return state._replace(relays=put(("rewind", last, base)))
        case Appended(last=last):
            new = (last,) if state.last is None or last > state.last else ()
            return state._replace(stream=state.stream + new, last=last, relays=put(("move", last, base)))
        case Diverged():
            raise AssertionError("there is one history here")


def _faults(state: State) -> Iterator[tuple[str, State]]:
    if not state.stream:
        return
    faults = state.faults + 1
    kept = state.stream[:-1]
    yield "failover", state._replace(stream=kept, last=kept[-1] if kept else None, faults=faults)
    yield "flush", state._replace(stream=(), last=None, faults=faults)
    yield "trim", state._replace(stream=state.stream[1:], faults=faults)


def explore(reality: Reality, *, checks_head: bool) -> tuple[int, list[str] | None]:
    """How many states there are, and the way to one in which the client is incomplete and nothing but a fault can
    happen; None when there is none. Raises AssertionError where the stream is no piece of the log.
    """
    start = State()
    came: dict[State, tuple[State, str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        assert _is_contiguous(state), f"{state} after {_way(came, state)}"
        following = list(acts(state, reality, checks_head=checks_head))
        can_act = any(act not in FAULTY for act, _ in following)
        if not can_act and (state.head, state.client) != (EVENTS, EVENTS):
            return len(came), _way(came, state)
        for act, successor in following:
            if successor not in came:
                came[successor] = (state, act)
                waiting.append(successor)
    return len(came), None


def _is_contiguous(state: State) -> bool:
    ids = state.stream
    whole = list(ids) == list(range(ids[0], ids[-1] + 1)) if ids else True
    return whole and state.published <= state.head and (not ids or ids[-1] <= state.head)


def _way(came: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    way: list[str] = []
    step = came[state]
    while step is not None:
        way.append(step[1])
        step = came[step[0]]
    return way[::-1]


def test_a_client_that_compares_its_cursor_with_the_head_gets_everything_whatever_happens(redis_client):
    states, stuck = explore(Reality(redis_client), checks_head=True)
    assert stuck is None
    assert states > 10_000, "the model has grown small"


def test_without_the_head_a_flush_leaves_a_client_waiting_for_ever(redis_client):
    _, stuck = explore(Reality(redis_client), checks_head=False)
    assert stuck is not None
    assert "flush" in stuck or "failover" in stuck


def test_an_append_that_refused_no_gap_would_be_found_out(redis_client, monkeypatch):
    reality = Reality(redis_client)
    real = reality.append

    def append_anyway(last: int | None, base: int) -> Appended | Gap:
        return Appended(base + 1) if last is not None and last < base else real(last, base)

    monkeypatch.setattr(reality, "append", append_anyway)
    with pytest.raises(AssertionError, match="failover"):
        explore(reality, checks_head=True)
