"""`make faults`: real processes, one fault a cell, the invariants after each. The last line is the sum.

make faults ARGS="--seed 7 --cells G2.* --quick --list"
"""

import argparse
import fnmatch
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.cells import Cell, all_cells
from tests.faults.choosing import CHOSEN, pairwise
from tests.faults.system import System, running_system

SCALE = 0.1


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when every cell passed."""
    options = _options(arguments)
    cells = _choose(options)
    if not cells:
        print(f"no cell is called {options.cells!r}; --list names them all")
        return 2
    if options.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    if options.promises or options.rolling:
        from tests.faults import promises

        return promises.main(rolling=options.rolling, seed=options.seed, kills=options.kills)
    print(f"seed {options.seed}, time scale {SCALE}, cells to play: {len(cells)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="longhaul-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with running_system(folder, scale=SCALE) as system:
            red = [cell.name for cell in cells if not _passes(system, cell, seed=options.seed)]
        if red and options.keep:
            print(f"logs: {_keep(folder)}")
    for name in red:
        print(f"red: {name}; again with ARGS='--seed {options.seed} --cells {name}'")
    print(f"cells: {len(cells) - len(red)} passed, {len(red)} failed")
    return 1 if red else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make faults", description="Break real processes and look what holds."
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of every random choice")
    parser.add_argument("--cells", default="*", help="a pattern of names, such as 'G2.*.K'")
    parser.add_argument("--quick", action="store_true", help="each moment and each fault at least once")
    parser.add_argument("--ci", action="store_true", help="the chosen few that run with every change")
    parser.add_argument("--list", action="store_true", help="only name the cells")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a red run")
    parser.add_argument("--promises", action="store_true", help="measure the recovery times at full scale")
    parser.add_argument("--kills", type=int, default=20, help="of each kind, with --promises")
    parser.add_argument("--rolling", action="store_true", help="300 runs while workers restart every 5 s")
    return parser.parse_args(arguments)


def _choose(options: argparse.Namespace) -> list[Cell]:
    cells = all_cells()
    if options.ci:
        cells = [cell for cell in cells if cell.name in CHOSEN]
    if options.quick:
        names = pairwise([cell.name for cell in cells], random.Random(options.seed))
        cells = [cell for cell in cells if cell.name in names]
    return [cell for cell in cells if fnmatch.fnmatchcase(cell.name, options.cells)]


def _passes(system: System, cell: Cell, *, seed: int) -> bool:
    from tests.faults.checks import faults_of

    since = time.monotonic()
    try:
        runs = cell.play(system, random.Random(f"{seed}/{cell.name}"))
        system.clear()
        found = [fault for run in runs for fault in faults_of(run)]
    except Exception as error:  # whatever a cell runs into, the others are still played
        found = [f"{type(error).__name__}: {error}"]
    finally:
        system.clear()
        system.forget_points()
    print(f"{'red ' if found else 'ok  '}{cell.name:24} {time.monotonic() - since:5.1f} s", flush=True)
    for fault in found:
        print(f"    {fault}", flush=True)
    if found:
        _show_last_run()
    return not found


def _show_last_run() -> None:
    """The log of the newest run, for whoever looks into a red cell."""
    from outbox.models import Entry
    from workflows.models import Run

    run = Run.objects.order_by("-created_at").first()
    for entry in Entry.objects.filter(stream_id=run.id).order_by("seq") if run else []:
        words = [entry.type, *(str(value) for value in entry.headers.values())]
        error = (entry.payload.get("error") or {}).get("code", "")
        print(f"      {entry.seq:3} {entry.created_at:%H:%M:%S.%f} {' '.join(words)} {error}", flush=True)


def _keep(folder: Path) -> Path:
    kept = Path(tempfile.mkdtemp(prefix="longhaul-faults-logs-"))
    for log in (folder / "logs").glob("*"):
        (kept / log.name).write_bytes(log.read_bytes())
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
