"""A child: makes a file, or reads parts of one, in one of two ways; tells processor time and memory of each."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.memory import MEGABYTE
from benchmarks.results.texts import SHAPES
from outbox import wire
from workflows import browsing
from workflows.browsing import Place, Reader, Shown, Text

KILOBYTE = 1_024


def make(path: str, shape: str, size: int) -> dict[str, Any]:
    Path(path).write_bytes(wire.encode(SHAPES[shape](size)))
    return {"size": Path(path).stat().st_size}


def part(path: str, pointer: str, after: list[Any] | None = None) -> dict[str, Any]:
    """As the endpoint reads it: 50 members, one level. after: `next` of an earlier answer."""
    place = None if after is None else Place(**dict(after))
    with Path(path).open("rb") as file:
        text = Text(file, Path(path).stat().st_size)
        return _measured(lambda: _shown(Reader(text), pointer, place))


def whole(path: str, pointer: str) -> dict[str, Any]:
    """The floor: all of it read and built, then the part is taken."""
    return _measured(lambda: _taken(Path(path), pointer))


def _shown(reader: Reader, pointer: str, after: Place | None) -> dict[str, Any]:
    at, found = reader.find(browsing.parse(pointer))
    limits = Shown(limit=50, string_bytes=2_000, bytes_left=262_144, link=_link)
    shown = reader.show(at, found, limits, depth=1, after=after)
    return {"count": shown.get("count"), "next": shown.get("next"), "value": shown.get("value")}


def _link(place: Place) -> Any:
    return [(name, getattr(place, name)) for name in ("pointer", "index", "at", "count", "size")]


def _taken(path: Path, pointer: str) -> dict[str, Any]:
    value = orjson.loads(path.read_bytes())
    for name in browsing.parse(pointer):
        value = value[int(name) if isinstance(value, list) else name]
    is_container = isinstance(value, dict | list)
    return {"count": len(value) if is_container else None, "value": None if is_container else value}


def _measured(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """With `seconds` of the processor and `memory`, MB above what there was at the start."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    began = time.process_time()
    answer = act()
    seconds = time.process_time() - began
    return {**answer, "seconds": seconds, "memory": (_status("VmHWM") - START) * KILOBYTE / MEGABYTE}


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


START = _status("VmRSS")
COMMANDS = {"make": make, "part": part, "whole": whole}
