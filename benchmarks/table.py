"""The figures as a table for a terminal, or for a page in Markdown."""

from collections.abc import Sequence

from benchmarks.figures import Figure

HEADINGS = ("figure", "value", "floor", "ratio", "min–max", "target", "met")
MET = {True: "yes", False: "NO", None: ""}


def table(figures: Sequence[Figure]) -> str:
    """Columns in line, so that it reads in a terminal and is a table in Markdown too."""
    rows = [HEADINGS, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [_line([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]) for row in rows]
    return "\n".join([lines[0], _line(["-" * width for width in widths]), *lines[1:]])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(figure: Figure) -> tuple[str, ...]:
    low, high = figure.spread
    return (
        figure.name,
        f"{number(figure.value)} {figure.unit}",
        "" if figure.floor is None else number(figure.floor),
        "" if figure.ratio is None else number(figure.ratio),
        f"{number(low)}–{number(high)}",
        str(figure.target or ""),
        MET[figure.met],
    )


def number(value: float) -> str:
    """Three digits that count: 12,300; 412; 7.05; 0.305."""
    if abs(value) >= 1_000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"
