"""How much the relay's benchmark measures, with each effort."""

from dataclasses import dataclass

from benchmarks.measuring import Effort
from benchmarks.relay.rows import Shape


@dataclass(frozen=True)
class Sizes:
    rounds: int
    backlog: Shape
    one_run: Shape  # below the firehose's length of 100,000 a shard: what was trimmed cannot be counted
    short_runs: Shape
    commits: int  # for latency, each way and round
    histories: tuple[int, ...]  # entries in the table, published long ago; the first is the floor
    cost_backlog: Shape
    single_commits: int


SIZES = {
    Effort.FULL: Sizes(
        rounds=5,
        backlog=Shape(2_000, 100),
        one_run=Shape(1, 50_000),
        short_runs=Shape(10_000, 5),
        commits=1_000,
        histories=(10_000, 100_000, 1_000_000),
        cost_backlog=Shape(100, 100),
        single_commits=2_000,
    ),
    Effort.QUICK: Sizes(
        rounds=3,
        backlog=Shape(400, 100),
        one_run=Shape(1, 10_000),
        short_runs=Shape(2_000, 5),
        commits=200,
        histories=(10_000, 100_000),
        cost_backlog=Shape(100, 100),
        single_commits=400,
    ),
    Effort.SMOKE: Sizes(
        rounds=1,
        backlog=Shape(5, 60),
        one_run=Shape(1, 300),
        short_runs=Shape(20, 5),
        commits=20,
        histories=(100, 300),
        cost_backlog=Shape(2, 50),
        single_commits=10,
    ),
}
