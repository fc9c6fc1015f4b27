"""Groups 4 and 5 of the matrix: where the relay and those whom it tells are struck; what happens to Redis, and when."""

import random
from collections.abc import Callable, Sequence
from uuid import UUID

from tests.faults.system import System

Play = Callable[[System, random.Random], list[UUID]]

EVERY_FAULT = "KZELD2P"
# Where the relay is struck: its failpoint, and the faults.
RELAY = {
    "claimed": ("outbox.relay.claimed", EVERY_FAULT),
    "before-append": ("outbox.relay.encoded", EVERY_FAULT),
    "appended": ("outbox.relay.appended", EVERY_FAULT),
    "mid-batch": ("outbox.relay.settled", EVERY_FAULT),
    "rewind": ("outbox.relay.rewound", EVERY_FAULT),
    "lease-lost": ("outbox.relay.encoded", EVERY_FAULT),
    # Beside the matrix: what its moments leave out.
    "leased": ("outbox.relay.leased", "KZ"),
}


def relay_cells() -> list[tuple[str, Play, tuple[str, ...]]]:
    """Name, play and failpoints of each cell of group 4."""
    return [
        (f"G4.{moment}.{strike}", _relay(moment, strike), (point,))
        for moment, (point, strikes) in RELAY.items()
        for strike in strikes
    ]


def _relay(moment: str, strike: str) -> Play:
    def play(system: System, roll: random.Random) -> list[UUID]:
        from tests.faults import relay_moments

        return relay_moments.play(moment, strike, system)

    return play


# Beside the matrix: where a consumer is struck, and what happens to its group.
CONSUMED: dict[str, tuple[str, Sequence[str]]] = {
    "consumed-read": ("outbox.consume.read", "KZ"),
    "consumed-handled": ("outbox.consume.handled", "KZL2"),
    "consumed-applied": ("outbox.consume.applied", ("K", "forgotten", "redelivered")),
}
POSTED = "outbox.webhooks.posted", "KZE2"


def consumer_cells() -> list[tuple[str, Play, tuple[str, ...]]]:
    """Name, play and failpoints of each cell of group 4 at the other end of the firehose."""
    consumed = [
        (f"G4.{moment}.{strike}", _consumer(point, strike), (point,))
        for moment, (point, strikes) in CONSUMED.items()
        for strike in strikes
    ]
    point, strikes = POSTED
    return [*consumed, *[(f"G4.posted.{strike}", _webhooks(point, strike), (point,)) for strike in strikes]]


def _consumer(point: str, strike: str) -> Play:
    def play(system: System, roll: random.Random) -> list[UUID]:
        from tests.faults import consumer_moments

        return consumer_moments.play(point, strike, system)

    return play


def _webhooks(point: str, strike: str) -> Play:
    def play(system: System, roll: random.Random) -> list[UUID]:
        from tests.faults import webhook_moments

        return webhook_moments.play(point, strike, system)

    return play


# When it happens to Redis, and what. `empty` is beside the matrix: a restart without a disk.
MOMENTS = ("idle", "mid-batch", "backlog", "after-terminal")
REDIS_FAULTS = ("restart", "empty", "flush", "tail-loss", "old-backup", "oom", "readonly", "half-open")


def redis_cells() -> list[tuple[str, Play]]:
    """Name and play of each cell of group 5."""
    return [(f"G5.{moment}.{fault}", _redis(moment, fault)) for moment in MOMENTS for fault in REDIS_FAULTS]


def _redis(moment: str, fault: str) -> Play:
    def play(system: System, roll: random.Random) -> list[UUID]:
        from tests.faults import redis_moments

        return redis_moments.play(moment, fault, system)

    return play
