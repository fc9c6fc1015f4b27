"""From commit to arrival in a reader, through the relay's loop; against a writer that adds to Redis itself."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.memory import Peaks, resident_of
from benchmarks.relay import rows
from benchmarks.relay.processes import start
from benchmarks.relay.rows import Shape
from benchmarks.servers import Servers, empty_redis, settle_database

DATABASE = "latency"
RUNS = Shape(8, 0)
THREE_TIMES = Target("ratio", "<=", 3)
LISTEN_SECONDS = (
    0.3  # until the reader is at its XREAD, and a relay that was just started holds its shards and waits
)
WARM_UP = 10  # first events that open connections and load scripts; not counted

# (run, seq, nanoseconds)
Moment = tuple[str, int, int]


@dataclass(frozen=True)
class Latencies:
    """Milliseconds of each event of one round, through the relay and past it; memory in MB."""

    relay: list[float]
    floor: list[float]
    memory: dict[str, float]


class Latency:
    """A database, a writer, a reader, and a relay that runs only while it is measured."""

    def __init__(self, servers: Servers) -> None:
        servers.create_database(DATABASE)
        self._connection = servers.connect(DATABASE)
        self._client = servers.client()
        self._relay = start("relaying", servers, DATABASE)
        self._writer = start("writing", servers, DATABASE)
        self._reader = start("reading", servers, DATABASE)

    def close(self) -> None:
        self._relay.close()
        self._writer.close()
        self._reader.close()
        self._client.close()
        self._connection.close()

    def play(self, commits: int, *, seed: int) -> Latencies:
        """Raises NotArrived."""
        children = {"relay": self._relay, "writer": self._writer, "reader": self._reader}
        self._relay.ask("start_loop")
        with Peaks({name: resident_of(child.pid) for name, child in children.items()}) as peaks:
            through = self._milliseconds("commit", commits, seed)
        self._relay.ask("stop_loop")
        return Latencies(through, self._milliseconds("commit_and_add", commits, seed), peaks.most)

    def _milliseconds(self, how: str, commits: int, seed: int) -> list[float]:
        rows.empty(self._connection)
        keys = [str(key) for key in rows.fill(self._connection, RUNS)]
        settle_database(self._connection)
        empty_redis(self._client)
        self._writer.wait_until_ready()
        count = commits + WARM_UP
        self._reader.tell("read", keys=keys, count=count)
        time.sleep(LISTEN_SECONDS)
        written = self._writer.ask(how, keys=keys, count=count, seed=seed)["written"]
        return differences(written, self._reader.hear()["arrived"])[WARM_UP:]


def differences(written: Sequence[Moment], arrived: Sequence[Moment]) -> list[float]:
    """Milliseconds of each event in the order of writing. Raises NotArrived unless each came once and in order."""
    last: dict[str, int] = {}
    moments: dict[tuple[str, int], int] = {}
    for run, seq, moment in arrived:
        if seq != last.get(run, 0) + 1:
            raise NotArrived(f"event {seq} of run {run} came after {last.get(run, 0)}")
        last[run] = seq
        moments[run, seq] = moment
    if len(moments) != len(written):
        raise NotArrived(f"{len(moments)} of {len(written)} events arrived")
    return [(moments[run, seq] - moment) / 1e6 for run, seq, moment in written]


def percentile(numbers: Sequence[float], percent: float) -> float:
    """The smallest number that at least `percent` of them do not exceed."""
    ordered = sorted(numbers)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def figures(rounds: Sequence[Latencies]) -> list[Figure]:
    return [
        *(
            Figure(
                name=f"relay latency p{percent}, from commit to arrival",
                unit="ms",
                values=[percentile(played.relay, percent) for played in rounds],
                floors=[percentile(played.floor, percent) for played in rounds],
                target=THREE_TIMES if percent == 50 else None,
            )
            for percent in (50, 99)
        ),
        *(
            Figure(
                name=f"peak memory with single commits: {process}",
                unit="MB",
                values=[played.memory[process] for played in rounds],
            )
            for process in rounds[0].memory
        ),
    ]
