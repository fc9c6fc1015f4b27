"""Whether an event's price grows with the table: the same work beside histories of different length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.memory import Peaks, private_of, resident_of
from benchmarks.relay import arrived, rows
from benchmarks.relay.processes import start
from benchmarks.relay.rows import Shape
from benchmarks.servers import Servers, empty_redis, settle_database

FLAT = Target("ratio", "<=", 1.2)
HISTORY_PER_RUN = 100
SINGLE_RUNS = Shape(20, 0)
INSERTED_AT_ONCE = 1_000  # runs

# What is looked at, as the figure says it.
BACKLOG_TIME = "time per event of a backlog"
BACKLOG_CPU = "CPU per event of a backlog"
APPEND_TIME = "time per commit of one event, appended"
RELAY_TIME = "time per commit of one event, relayed"
BOTH_CPU = "CPU per commit of one event, appended and relayed"
MEASURES = (BACKLOG_TIME, BACKLOG_CPU, APPEND_TIME, RELAY_TIME, BOTH_CPU)


@dataclass(frozen=True)
class Costs:
    """Microseconds by measure; memory in MB by process."""

    microseconds: dict[str, float]
    memory: dict[str, float]


class Table:
    """A database with `entries` published events of finished runs in it, and a process that relays."""

    def __init__(self, servers: Servers, entries: int) -> None:
        name = f"cost_{entries}"
        servers.create_database(name)
        self.entries = entries
        self._connection = servers.connect(name)
        self._client = servers.client()
        self._fill()
        self._relay = start("relaying", servers, name)

    def close(self) -> None:
        self._relay.close()
        self._client.close()
        self._connection.close()

    def play(self, backlog: Shape, commits: int) -> Costs:
        """A backlog, then single commits; afterwards the table is as before. Raises NotArrived."""
        rows.fill(self._connection, backlog)
        keys = [str(key) for key in rows.fill(self._connection, SINGLE_RUNS)]
        settle_database(self._connection)
        empty_redis(self._client)
        backend = self._relay.ask("backend")["pid"]
        readings = {"relay": resident_of(self._relay.pid), "its PostgreSQL backend": private_of(backend)}
        with Peaks(readings) as peaks:
            at_once = self._relay.ask("publish_backlog")
            singly = self._relay.ask("publish_singly", keys=keys, count=commits)
        self._require_all(backlog.events + commits)
        rows.forget_live(self._connection)
        return Costs(microseconds(at_once, singly), peaks.most)

    def _fill(self) -> None:
        left = max(self.entries // HISTORY_PER_RUN, 1)
        while left:
            runs = min(left, INSERTED_AT_ONCE)
            rows.fill(self._connection, Shape(runs, HISTORY_PER_RUN), published=True)
            left -= runs
        settle_database(self._connection)

    def _require_all(self, events: int) -> None:
        if left := rows.unpublished(self._connection):
            raise NotArrived(f"{left} streams are still to be published")
        heads = rows.live_heads(self._connection)
        if sum(heads.values()) != events:
            raise NotArrived(f"the table has {sum(heads.values())} of {events} new events")
        arrived.require_all(self._client, heads)


def microseconds(at_once: Mapping[str, Any], singly: Mapping[str, Any]) -> dict[str, float]:
    """Of the answers of `relaying`. Of single commits the median: a disk that was busy for once says nothing."""
    published, commits = at_once["published"], len(singly["append_seconds"])
    return {
        BACKLOG_TIME: at_once["seconds"] / published * 1e6,
        BACKLOG_CPU: (at_once["cpu_seconds"] + at_once["backend_cpu_seconds"]) / published * 1e6,
        APPEND_TIME: median(singly["append_seconds"]) * 1e6,
        RELAY_TIME: median(singly["relay_seconds"]) * 1e6,
        BOTH_CPU: singly["cpu_seconds"] / commits * 1e6,
    }


def figures(rounds: Sequence[Mapping[int, Costs]]) -> list[Figure]:
    """`rounds`: by entries in the table. Each longer history against the shortest one of the same round."""
    shortest, *longer = sorted(rounds[0])
    compared = [
        Figure(
            name=f"relay {measure}: {entries:,} entries, floor {shortest:,}",
            unit="µs",
            values=[played[entries].microseconds[measure] for played in rounds],
            floors=[played[shortest].microseconds[measure] for played in rounds],
            target=FLAT,
        )
        for measure in MEASURES
        for entries in longer
    ]
    largest = longer[-1]
    memory = [
        Figure(
            name=f"peak memory beside {largest:,} entries: {process}",
            unit="MB",
            values=[played[largest].memory[process] for played in rounds],
        )
        for process in rounds[0][largest].memory
    ]
    return [*compared, *memory]
