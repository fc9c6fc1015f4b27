"""Processor's time of several pieces of work that are done in turns, so that what slows the machine slows them all."""

import gc
import time
from collections.abc import Callable, Mapping

Work = Callable[[], object]


def in_turns(works: Mapping[str, Work], *, turns: int) -> dict[str, float]:
    """Seconds of this process on a processor, by name, all turns together. Every other turn is in reverse order."""
    spent = dict.fromkeys(works, 0.0)
    for turn in range(turns):
        for name in sorted(works, reverse=turn % 2 == 1):
            spent[name] += seconds_of(works[name])
    return spent


def seconds_of(work: Work) -> float:
    """The garbage collector runs as it does anywhere, but not over the texts: lists of a million chunks that lie
    ready, which no process has that is sent them one by one."""
    gc.collect()
    gc.freeze()
    try:
        before = time.process_time()
        work()
        return time.process_time() - before
    finally:
        gc.unfreeze()
