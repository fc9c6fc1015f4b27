"""Whether an event's price grows with the table: the same work beside histories of different length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import redis

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.memory import Peaks, Reading, private_of, resident_of
from benchmarks.relay import arrived, rows
from benchmarks.relay.processes import start
from benchmarks.relay.rows import Shape
from benchmarks.servers import Servers, empty_redis, settle_database

FLAT = Target("ratio", "<=", 1.2)
HISTORY_PER_RUN = 100
SINGLE_RUNS = Shape(20, 0)
INSERTED_AT_ONCE = 1_000  # runs
BLOCKS = 4  # of a round

# What is looked at, as the figure says it.
BACKLOG_TIME = "time per event of a backlog"
BACKLOG_CPU = "CPU per event of a backlog"
APPEND_TIME = "time per commit of one event, appended"
RELAY_TIME = "time per commit of one event, relayed"
BOTH_CPU = "CPU per commit of one event, appended and relayed"
MEASURES = (BACKLOG_TIME, BACKLOG_CPU, APPEND_TIME, RELAY_TIME, BOTH_CPU)


@dataclass
class Costs:
    """What a table's relay took in one round, in seconds; memory in MB by process."""

    published: int = 0
    backlog: float = 0.0
    backlog_cpu: float = 0.0
    appends: list[float] = field(default_factory=list)
    relays: list[float] = field(default_factory=list)
    singles_cpu: float = 0.0
    memory: dict[str, float] = field(default_factory=dict)

    def microseconds(self) -> dict[str, float]:
        """By measure. Of single commits the median: a disk that was busy for once says nothing."""
        return {
            BACKLOG_TIME: self.backlog / self.published * 1e6,
            BACKLOG_CPU: self.backlog_cpu / self.published * 1e6,
            APPEND_TIME: median(self.appends) * 1e6,
            RELAY_TIME: median(self.relays) * 1e6,
            BOTH_CPU: self.singles_cpu / len(self.appends) * 1e6,
        }


class Table:
    """A database with `entries` published events of finished runs in it, and a process that relays."""

    def __init__(self, servers: Servers, entries: int) -> None:
        name = f"cost_{entries}"
        servers.create_database(name)
        self.entries = entries
        self.connection = servers.connect(name)
        self._fill()
        self._relay = start("relaying", servers, name)
        self._keys: list[str] = []
        self.costs = Costs()

    def close(self) -> None:
        self._relay.close()
        self.connection.close()

    def prepare(self, backlog: Shape) -> None:
        rows.fill(self.connection, backlog)
        self._keys = [str(key) for key in rows.fill(self.connection, SINGLE_RUNS)]
        settle_database(self.connection)

    def publish_backlog(self) -> None:
        answer = self._relay.ask("publish_backlog")
        self.costs.published += answer["published"]
        self.costs.backlog += answer["seconds"]
        self.costs.backlog_cpu += answer["cpu_seconds"] + answer["backend_cpu_seconds"]

    def publish_singly(self, commits: int) -> None:
        answer = self._relay.ask("publish_singly", keys=self._keys, count=commits)
        self.costs.appends += answer["append_seconds"]
        self.costs.relays += answer["relay_seconds"]
        self.costs.singles_cpu += answer["cpu_seconds"]

    def readings(self) -> dict[str, Reading]:
        backend = self._relay.ask("backend")["pid"]
        return {"relay": resident_of(self._relay.pid), "its PostgreSQL backend": private_of(backend)}

    def end_round(self) -> Costs:
        """The table is as before it."""
        rows.forget_live(self.connection)
        costs, self.costs = self.costs, Costs()
        return costs

    def _fill(self) -> None:
        left = max(self.entries // HISTORY_PER_RUN, 1)
        while left:
            runs = min(left, INSERTED_AT_ONCE)
            rows.fill(self.connection, Shape(runs, HISTORY_PER_RUN), published=True)
            left -= runs
        settle_database(self.connection)


def play(tables: Sequence[Table], client: "redis.Redis", backlog: Shape, commits: int) -> dict[int, Costs]:
    """One round, by entries in the table: in each of BLOCKS a part of the backlog and of the commits, table by table.

    So what slows the machine for a second slows them all. Raises NotArrived.
    """
    empty_redis(client)
    largest = max(tables, key=lambda table: table.entries)
    with Peaks(largest.readings()) as peaks:
        for number in range(BLOCKS):
            order = tables if number % 2 == 0 else tables[::-1]  # none always follows the largest
            for table in tables:
                table.prepare(Shape(max(backlog.runs // BLOCKS, 1), backlog.per_run))
            for table in order:
                table.publish_backlog()
            for table in order:
                table.publish_singly(max(commits // BLOCKS, 1))
    largest.costs.memory = peaks.most
    _require_all(tables, client)
    return {table.entries: table.end_round() for table in tables}


def _require_all(tables: Sequence[Table], client: "redis.Redis") -> None:
    heads: dict[str, int] = {}
    for table in tables:
        if left := rows.unpublished(table.connection):
            raise NotArrived(f"{left} streams are still to be published")
        written = rows.live_heads(table.connection)
        told = table.costs.published + len(table.costs.appends)
        if sum(written.values()) != told:
            raise NotArrived(f"the table has {sum(written.values())} of {told} new events")
        heads |= written
    arrived.require_all(client, heads)


def figures(rounds: Sequence[Mapping[int, Costs]]) -> list[Figure]:
    """`rounds`: by entries in the table. Each longer history against the shortest one of the same round."""
    shortest, *longer = sorted(rounds[0])
    compared = [
        Figure(
            name=f"relay {measure}: {entries:,} entries, floor {shortest:,}",
            unit="µs",
            values=[played[entries].microseconds()[measure] for played in rounds],
            floors=[played[shortest].microseconds()[measure] for played in rounds],
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
