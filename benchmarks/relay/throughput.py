"""How fast a backlog is published, against XADD alone of the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.memory import Peaks, Reading, private_of, resident_of, used_by
from benchmarks.processors import processor_seconds
from benchmarks.relay import arrived, rows
from benchmarks.relay.processes import start
from benchmarks.relay.rows import Shape
from benchmarks.servers import Servers, empty_redis, settle_database

DATABASE = "throughput"
A_THIRD = Target("ratio", ">=", 1 / 3)
RELAY_MEMORY = Target("value", "<=", 200)


@dataclass(frozen=True)
class Round:
    """One backlog by the relay, and by XADD alone: events a second, and microseconds of a processor per event, of all
    processes that take part. Memory in MB.
    """

    relay: float
    floor: float
    relay_cpu: float
    floor_cpu: float
    memory: dict[str, float]


class Throughput:
    """A database, a relay and the floor's process, ready for any number of backlogs."""

    def __init__(self, servers: Servers) -> None:
        servers.create_database(DATABASE)
        self._connection = servers.connect(DATABASE)
        self._client = servers.client()
        self._redis = psutil.Process(servers.redis_pid())
        self._relay = start("relaying", servers, DATABASE)
        self._floor = start("adding", servers, DATABASE)

    def close(self) -> None:
        self._relay.close()
        self._floor.close()
        self._client.close()
        self._connection.close()

    def play(self, shape: Shape) -> Round:
        """The relay, then the floor. Raises NotArrived."""
        rows.empty(self._connection)
        rows.fill(self._connection, shape)
        settle_database(self._connection)
        empty_redis(self._client)
        before = processor_seconds(self._redis)
        with Peaks(self._readings()) as peaks:
            answer = self._relay.ask("publish_backlog")
        relay_cpu = (
            answer["cpu_seconds"] + answer["backend_cpu_seconds"] + processor_seconds(self._redis) - before
        )
        self._require_all(shape)
        loaded = self._floor.ask("load")["events"]
        empty_redis(self._client)
        before = processor_seconds(self._redis)
        added = self._floor.ask("add")
        floor_cpu = added["cpu_seconds"] + processor_seconds(self._redis) - before
        if loaded != shape.events:
            raise NotArrived(f"{loaded} of {shape.events} events were told")
        return Round(
            relay=shape.events / answer["seconds"],
            floor=shape.events / added["seconds"],
            relay_cpu=relay_cpu / shape.events * 1e6,
            floor_cpu=floor_cpu / shape.events * 1e6,
            memory=peaks.most,
        )

    def _readings(self) -> dict[str, Reading]:
        backend = self._relay.ask("backend")["pid"]
        return {
            "relay": resident_of(self._relay.pid),
            "its PostgreSQL backend": private_of(backend),
            "Redis": used_by(self._client),
        }

    def _require_all(self, shape: Shape) -> None:
        if left := rows.unpublished(self._connection):
            raise NotArrived(f"{left} streams are still to be published")
        heads = rows.live_heads(self._connection)
        if sum(heads.values()) != shape.events:
            raise NotArrived(f"the table has {sum(heads.values())} of {shape.events} events")
        arrived.require_all(self._client, heads)


def figures(label: str, rounds: Sequence[Round], *, target: Target | None) -> list[Figure]:
    return [
        Figure(
            name=f"relay throughput, {label}",
            unit="events/s",
            values=[played.relay for played in rounds],
            floors=[played.floor for played in rounds],
            target=target,
        )
    ]


def further_figures(rounds: Sequence[Round]) -> list[Figure]:
    """What the main backlog costs beside its time."""
    return [
        Figure(
            name="relay CPU per event of a backlog, with PostgreSQL and Redis",
            unit="µs",
            values=[played.relay_cpu for played in rounds],
            floors=[played.floor_cpu for played in rounds],
        ),
        *(
            Figure(
                name=f"peak memory during a backlog: {process}",
                unit="MB",
                values=[played.memory[process] for played in rounds],
                target=RELAY_MEMORY if process == "relay" else None,
            )
            for process in rounds[0].memory
        ),
    ]
