"""A process that commits an event every few milliseconds, for `benchmarks.children`."""

import random
import time
from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from benchmarks.children import Answer, Commands
from benchmarks.relay.rows import item
from outbox import wire
from outbox.append import Message, append
from outbox.clock import CLOCK
from outbox.nudge import breaker
from outbox.redis import client

# Far enough apart that one event does not wait for another, as those of a model's answer are.
PAUSE_SECONDS = (0.005, 0.020)

Afterwards = Callable[[UUID, int, Message], None]


def committed_item(number: int) -> Message:
    return Message(type="item.committed", payload=item(number), headers={"step": "extract", "attempt": 1})


def commit(keys: list[str], count: int, seed: int) -> Answer:
    """`count` events over the runs `keys`, which a relay publishes.

    Returns (run, seq, nanoseconds of CLOCK_MONOTONIC) of each; the time is read as the last thing before COMMIT.
    """
    return _commit(keys, count, seed, lambda key, seq, message: None)


def commit_and_add(keys: list[str], count: int, seed: int) -> Answer:
    """The floor: the same rows, nobody is woken, and the writer itself adds what it committed to Redis."""

    def add(key: UUID, seq: int, message: Message) -> None:
        envelope = {"v": 1, "seq": seq, "type": message.type, "run": str(key), "data": message.payload}
        stream = wire.run_stream(wire.shard_of(key), key, 1)
        client().xadd(stream, {"aud": "public", "e": wire.encode(envelope)}, id=f"{seq}-0")

    with breaker.held_open():
        return _commit(keys, count, seed, add)


def _commit(keys: list[str], count: int, seed: int, afterwards: Afterwards) -> Answer:
    pauses = random.Random(seed)
    written = []
    for number in range(count):
        time.sleep(pauses.uniform(*PAUSE_SECONDS))
        key, message = UUID(keys[number % len(keys)]), committed_item(number)
        with transaction.atomic():
            seq = append(key, [message], now=CLOCK.now())
            moment = time.monotonic_ns()
        afterwards(key, seq, message)
        written.append((str(key), seq, moment))
    return {"written": written}


COMMANDS: Commands = {command.__name__: command for command in (commit, commit_and_add)}
