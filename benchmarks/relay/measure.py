"""The relay's benchmark: throughput, latency, and cost beside a long history, on servers of its own."""

from contextlib import ExitStack, closing

from benchmarks.figures import Figure
from benchmarks.measuring import Measured, Request
from benchmarks.relay import cost, latency, throughput
from benchmarks.relay.processes import OUTBOX_ALONE
from benchmarks.relay.rows import Shape
from benchmarks.relay.sizes import SIZES, Sizes
from benchmarks.servers import Servers, running_servers

WARM_UP = Shape(20, 10)


def measure(request: Request) -> Measured:
    """Raises NotArrived when an event was lost, doubled or out of order, and ChildFailed."""
    sizes = SIZES[request.effort]
    rounds = request.rounds or sizes.rounds
    with running_servers() as servers:
        servers.migrate("outbox", settings=OUTBOX_ALONE)
        figures = [
            *_throughput(servers, sizes, rounds, request),
            *_latency(servers, sizes, rounds, request),
            *_cost(servers, sizes, rounds, request),
        ]
        return Measured(figures, servers.versions())


def _throughput(servers: Servers, sizes: Sizes, rounds: int, request: Request) -> list[Figure]:
    shapes = [sizes.backlog, sizes.one_run, sizes.short_runs]
    played: dict[Shape, list[throughput.Round]] = {shape: [] for shape in shapes}
    with closing(throughput.Throughput(servers)) as benchmark:
        benchmark.play(WARM_UP)
        for number in range(rounds):
            for shape in shapes:
                request.say(f"throughput, {shape}, round {number + 1} of {rounds}")
                played[shape].append(benchmark.play(shape))
    main, *others = shapes
    return [
        *throughput.figures(str(main), played[main], target=throughput.A_THIRD),
        *(
            figure
            for shape in others
            for figure in throughput.figures(str(shape), played[shape], target=None)
        ),
        *throughput.further_figures(played[main]),
    ]


def _latency(servers: Servers, sizes: Sizes, rounds: int, request: Request) -> list[Figure]:
    played = []
    with closing(latency.Latency(servers)) as benchmark:
        for number in range(rounds):
            request.say(f"latency, round {number + 1} of {rounds}")
            played.append(benchmark.play(sizes.commits, seed=number))
    return latency.figures(played)


def _cost(servers: Servers, sizes: Sizes, rounds: int, request: Request) -> list[Figure]:
    played = []
    with ExitStack() as stack:
        tables = []
        for entries in sizes.histories:
            request.say(f"cost, a table of {entries:,} entries")
            tables.append(stack.enter_context(closing(cost.Table(servers, entries))))
        client = stack.enter_context(closing(servers.client()))
        cost.play(tables, client, WARM_UP, 5)
        for number in range(rounds):
            request.say(f"cost, round {number + 1} of {rounds}")
            played.append(cost.play(tables, client, sizes.cost_backlog, sizes.single_commits))
    return cost.figures(played)
