"""`make bench`: measures what Longhaul promises, each figure against a floor of the same run.

make bench ARGS="--only relay --quick --json PATH"
"""

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.machine import description
from benchmarks.measuring import Benchmark, Effort, Request
from benchmarks.parsers.measure import measure as measure_parsers
from benchmarks.relay.measure import measure as measure_relay
from benchmarks.results.measure import measure as measure_results
from benchmarks.table import table

BENCHMARKS = {
    "relay": Benchmark("throughput, latency and cost per event of the outbox's relay", measure_relay),
    "results": Benchmark("time and memory of showing a part of a large result", measure_results),
    "parsers": Benchmark("speed, growth and memory of the parsers of model output", measure_parsers),
}


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 unless a benchmark broke; with --strict, 1 if a target is not met."""
    options = _options(arguments)
    if options.list:
        print("\n".join(f"{name:10} {benchmark.title}" for name, benchmark in BENCHMARKS.items()))
        return 0
    request = Request(options.effort, options.rounds, _say)
    figures: list[Figure] = []
    versions: dict[str, str] = {}
    broken = []
    for name in options.only or BENCHMARKS:
        try:
            measured = BENCHMARKS[name].measure(request)
        except Exception:  # the others are still measured
            traceback.print_exc()
            broken.append(name)
            continue
        figures += measured.figures
        versions |= measured.versions
    machine = description(versions)
    _show(figures, machine)
    if options.json:
        told = {"figures": [figure.as_json() for figure in figures], "machine": machine}
        options.json.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    for name in broken:
        print(f"broken: {name}")
    missed = [figure.name for figure in figures if figure.met is False]
    return 1 if broken or (options.strict and missed) else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, each figure against its floor.")
    parser.add_argument("--list", action="store_true", help="only name the benchmarks")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this one; may be given again")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument("--rounds", type=_positive, help="how often each pair is measured")
    parser.add_argument("--strict", action="store_true", help="exit status 1 if a target is not met")
    parser.set_defaults(effort=Effort.FULL)
    effort = parser.add_mutually_exclusive_group()
    for name, meaning in (
        (Effort.QUICK, "smaller, in two minutes instead of a quarter of an hour"),
        (Effort.SMOKE, "tiny: whether everything runs; the figures mean nothing"),
    ):
        effort.add_argument(f"--{name}", dest="effort", action="store_const", const=name, help=meaning)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return number


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _show(figures: Sequence[Figure], machine: dict[str, object]) -> None:
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    if figures:
        print(table(figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
