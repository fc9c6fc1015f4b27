"""Groups 4 and 5 of the matrix: what strikes the relay where, and what happens to Redis when."""

import random
from collections.abc import Callable
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
