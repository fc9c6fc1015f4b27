"""Charts as plain shapes: the HTML report draws them as SVG, the PDF with reportlab, from the same numbers.

The origin is the upper left corner; a text stands on its y. Colours are tones, which each report maps to its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from documents.findings import KINDS, Finding, Kind
from documents.reading import Source
from documents.risk import LEVELS, RiskScore

Tone = Literal["ink", "muted", "line", "accent", "soft", "low", "medium", "high", "ocr", "none"]
Anchor = Literal["start", "middle", "end"]

WIDTH = 520.0
ROW = 26.0
LABEL_WIDTH = 92.0
MAX_PAGE_LABELS = 20


@dataclass(frozen=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    tone: Tone
    is_rect: bool = True


@dataclass(frozen=True)
class Text:
    x: float
    y: float
    text: str
    tone: Tone = "ink"
    size: float = 11
    anchor: Anchor = "start"


@dataclass(frozen=True)
class Chart:
    title: str
    description: str  # the chart in words, for who cannot see it
    height: float
    shapes: Sequence[Rect | Text] = field(default_factory=list)
    width: float = WIDTH


def kinds_chart(counts: dict[Kind, int]) -> Chart:
    """How many findings there are of each kind."""
    most = max([*counts.values(), 1])
    room = WIDTH - LABEL_WIDTH - 40
    shapes: list[Rect | Text] = []
    for place, (kind, name) in enumerate(KINDS.items()):
        y, count = place * ROW, counts.get(kind, 0)
        shapes.append(Text(0, y + 17, name))
        shapes.append(Rect(LABEL_WIDTH, y + 6, max(room * count / most, 1.5), 14, "accent"))
        shapes.append(Text(LABEL_WIDTH + room * count / most + 8, y + 17, str(count), "muted"))
    words = ", ".join(f"{name.lower()} {counts.get(kind, 0)}" for kind, name in KINDS.items())
    return Chart("Findings by kind", f"Findings by kind: {words}.", len(KINDS) * ROW + 2, shapes)


def risk_chart(risk: RiskScore) -> Chart:
    """The score on a scale of 0 to 100, whose zones are the levels."""
    shapes: list[Rect | Text] = []
    start = 0
    for below, level in LEVELS:
        end = min(below, 100)
        x, width = WIDTH * start / 100, WIDTH * (end - start) / 100
        shapes.append(Rect(x, 26, width - 2, 14, level))
        shapes.append(Text(x + width / 2, 56, level, "muted", 10, "middle"))
        start = end
    x = WIDTH * risk.score / 100
    shapes.append(Rect(min(max(x - 1.5, 0), WIDTH - 3), 20, 3, 26, "ink"))
    anchor: Anchor = "start" if x < 20 else "end" if x > WIDTH - 20 else "middle"
    shapes.append(Text(x, 14, str(risk.score), "ink", 13, anchor))
    description = f"Risk score {risk.score} of 100, which is {risk.level}."
    return Chart("Risk score", description, 60, shapes)


def pages_chart(findings: Sequence[Finding], sources: Sequence[Source]) -> Chart:
    """Findings on each page; the colour says how its text was read."""
    counts = Counter(finding.page for finding in findings)
    pages, most = len(sources), max([*counts.values(), 1])
    height, step = 96.0, WIDTH / max(len(sources), 1)
    width = min(step * 0.7, 46.0)
    tones: dict[Source, Tone] = {"text-layer": "accent", "ocr": "ocr", "none": "none"}
    shapes: list[Rect | Text] = [Rect(0, height + 18, WIDTH, 1, "line")]
    every = -(-pages // MAX_PAGE_LABELS)
    for number, source in enumerate(sources, start=1):
        middle, tall = (number - 0.5) * step, height * counts[number] / most
        shapes.append(
            Rect(middle - width / 2, height + 18 - max(tall, 2), width, max(tall, 2), tones[source])
        )
        if pages <= MAX_PAGE_LABELS:
            shapes.append(Text(middle, height + 13 - tall, str(counts[number]), "muted", 10, "middle"))
        if (number - 1) % every == 0:
            shapes.append(Text(middle, height + 33, str(number), "muted", 10, "middle"))
    legend: tuple[tuple[Tone, str], ...] = (
        ("accent", "text layer"),
        ("ocr", "read by OCR"),
        ("none", "not read"),
    )
    for place, (tone, name) in enumerate(legend):
        shapes.append(Rect(place * 110, height + 44, 10, 10, tone))
        shapes.append(Text(place * 110 + 15, height + 53, name, "muted", 10))
    words = ", ".join(f"page {number}: {counts[number]}" for number in range(1, min(pages, 40) + 1))
    return Chart("Findings by page", f"Findings by page: {words}.", height + 60, shapes)
