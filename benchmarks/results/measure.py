"""What it takes to show a part of a large result, against building all of it to take the part."""

import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.children import Child
from benchmarks.figures import Figure, Target
from benchmarks.measuring import Effort, Measured, NotArrived, Request
from benchmarks.results.texts import SHAPES

SIZES = {Effort.FULL: 20_000_000, Effort.QUICK: 20_000_000, Effort.SMOKE: 200_000}
ROUNDS = {Effort.FULL: 7, Effort.QUICK: 3, Effort.SMOKE: 1}
MAIN = "findings"
FASTER = Target("ratio", "<=", 1.0)
FLAT = Target("value", "<=", 8.0)
BOUNDED = Target("value", "<=", 2_000.0)


@dataclass(frozen=True)
class Look:
    """A part that somebody looks at. is_page: the one after the first page of it."""

    name: str
    pointer: str
    is_page: bool = False


@dataclass(frozen=True)
class Readers:
    """Of the file `path`: one child for each way, since what one has built stays in its memory."""

    path: str
    parts: Child
    wholes: Child


def measure(request: Request) -> Measured:
    """Raises NotArrived when both ways found another thing, and ChildFailed."""
    size = SIZES[request.effort]
    rounds = request.rounds or ROUNDS[request.effort]
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="longhaul-bench-") as name:
        folder = Path(name)
        for shape in SHAPES:
            request.say(f"results, {shape}, {rounds} rounds")
            path = str(folder / "result.json")
            with _child(folder) as maker:
                stored = maker.ask("make", path=path, shape=shape, size=size)["size"]
            with _child(folder) as parts, _child(folder) as wholes:
                readers = Readers(path, parts, wholes)
                looks = _looks(readers) if shape == MAIN else [Look("first level", "")]
                title = f"{shape}, {stored / 1_000_000:.3g} MB"
                figures += _figures(readers, title, looks, rounds, is_main=shape == MAIN)
    return Measured(figures)


def _looks(readers: Readers) -> list[Look]:
    count = readers.parts.ask("part", path=readers.path, pointer="/findings")["count"]
    return [
        Look("first level", ""),
        Look("first page of the list", "/findings"),
        Look("second page of the list", "/findings", is_page=True),
        Look("last element of the list", f"/findings/{count - 1}/where/line"),
        Look("a deep part at the end", "/tail/deep/er/9/x"),
    ]


def _figures(readers: Readers, title: str, looks: list[Look], rounds: int, *, is_main: bool) -> list[Figure]:
    times: dict[Look, list[float]] = defaultdict(list)
    floors: dict[Look, list[float]] = defaultdict(list)
    memory: list[float] = []
    memory_floors: list[float] = []
    for _ in range(rounds):
        answers = [(look, *_played(readers, look)) for look in looks]
        for look, part, whole in answers:
            times[look].append(part["seconds"] * 1_000)
            floors[look].append(whole["seconds"] * 1_000)
        memory.append(max(part["memory"] for _, part, _ in answers))
        memory_floors.append(max(whole["memory"] for _, _, whole in answers))
    target = FASTER if is_main else BOUNDED
    figures = [
        Figure(
            name=f"{title}: {look.name}", unit="ms", values=times[look], floors=floors[look], target=target
        )
        for look in looks
    ]
    return [
        *figures,
        Figure(name=f"{title}: memory", unit="MB", values=memory, target=FLAT),
        Figure(name=f"{title}: memory, built as a whole", unit="MB", values=memory_floors),
    ]


def _played(readers: Readers, look: Look) -> tuple[dict[str, Any], dict[str, Any]]:
    asked = {"path": readers.path, "pointer": look.pointer}
    part, whole = readers.parts.ask("part", **asked), readers.wholes.ask("whole", **asked)
    if (part["count"], part["value"]) != (whole["count"], whole["value"]):
        raise NotArrived(f"{look.name}: {part} is not {whole}")
    if look.is_page:
        part = readers.parts.ask("part", **asked, after=part["next"])
    return part, whole


def _child(folder: Path) -> Child:
    return Child("benchmarks.results.reading", _environment(folder), folder / "log")


def _environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LONGHAUL_")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LONGHAUL_DATA_DIR": str(folder),
        "DATABASE_URL": "sqlite://:memory:",
    }
