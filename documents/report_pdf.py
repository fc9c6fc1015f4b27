"""The report as PDF, drawn with reportlab."""

import io
from collections.abc import Sequence
from typing import Any

from reportlab.lib.colors import HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, SimpleDocTemplate, Spacer, TableStyle

from documents.conflicts import long_date
from documents.report_content import Group, Report
from documents.report_style import (
    FRAME_PADDING,
    HEADING,
    MARGIN,
    REGULAR,
    RIGHT,
    SMALL,
    SMALL_RIGHT,
    STRONG,
    TILE,
    TILE_NAME,
    TITLE,
    TONES,
    WIDTH,
    draw_chart,
    draw_table,
    drawable,
    load_fonts,
    paragraph,
)


def draw_pdf(report: Report) -> bytes:
    load_fonts()
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=18 * mm,
        bottomMargin=20 * mm,
        title=f"Analysis of {report.filename}",
        author="Longhaul",
        invariant=1,  # no date of its own: the same report gives the same bytes
    )

    def footer(canvas: Canvas, _: Any) -> None:
        canvas.setFont(REGULAR, 7.5)
        canvas.setFillColor(TONES["muted"])
        canvas.drawString(MARGIN + FRAME_PADDING, 11 * mm, drawable(f"Run {report.reference}"))
        canvas.drawRightString(A4[0] - MARGIN - FRAME_PADDING, 11 * mm, f"Page {canvas.getPageNumber()}")

    document.build(_story(report), onFirstPage=footer, onLaterPages=footer)
    return target.getvalue()


def _story(report: Report) -> list[Flowable]:
    return [
        paragraph(f"Analysis of {report.filename}", TITLE),
        paragraph(f"{report.created_at:%d %B %Y, %H:%M} UTC. {report.source.sentence()}", SMALL),
        Spacer(1, 8),
        *_warnings(report),
        _tiles(report),
        Spacer(1, 12),
        draw_chart(report.risk_chart),
        *_conflicts(report),
        *[_titled(drawn.title, draw_chart(drawn)) for drawn in report.charts],
        *_reasons(report),
        *_totals(report),
        *_timeline(report),
        *[flowable for group in report.groups for flowable in _group(group)],
        *_unlisted(report),
        Spacer(1, 14),
        paragraph(report.notice, SMALL),
    ]


def _warnings(report: Report) -> list[Flowable]:
    if not report.source.warnings:
        return []
    box = draw_table(
        [[paragraph(warning)] for warning in report.source.warnings], widths=[WIDTH], lines=False
    )
    box.setStyle(TableStyle([("BACKGROUND", (0, 0), (-1, -1), HexColor("#fdf3dc"))]))
    return [box, Spacer(1, 10)]


def _tiles(report: Report) -> Flowable:
    analysis = report.analysis
    tiles = (
        (str(analysis.findings_count), "findings"),
        (str(len(analysis.conflicts)), "contradictions"),
        (f"{analysis.risk.score} / 100", f"risk: {analysis.risk.level}"),
    )
    cells = [[paragraph(number, TILE), paragraph(name, TILE_NAME)] for number, name in tiles]
    table = draw_table([cells], widths=[WIDTH / 3] * 3, lines=False)
    table.setStyle(
        TableStyle(
            [("BACKGROUND", (0, 0), (-1, -1), TONES["soft"]), ("INNERGRID", (0, 0), (-1, -1), 4, white)]
        )
    )
    return table


def _conflicts(report: Report) -> list[Flowable]:
    rows = [
        [
            [paragraph(conflict.title, STRONG), paragraph(conflict.detail)],
            paragraph(_pages(conflict.pages), RIGHT),
        ]
        for conflict in report.analysis.conflicts
    ]
    return _section("Contradictions", rows, widths=[WIDTH - 80, 80])


def _reasons(report: Report) -> list[Flowable]:
    rows = [
        [
            paragraph(reason.title),
            paragraph(reason.severity),
            paragraph(_pages(reason.pages)),
            paragraph(f"{reason.points:.1f}", RIGHT),
        ]
        for reason in report.analysis.risk.reasons
    ]
    head = [
        paragraph("Reason", SMALL),
        paragraph("Severity", SMALL),
        paragraph("Where", SMALL),
        paragraph("Points", SMALL),
    ]
    return _section("What the risk score rests on", rows, widths=[WIDTH - 240, 80, 100, 60], head=head)


def _totals(report: Report) -> list[Flowable]:
    rows = [
        [
            paragraph(total.currency, STRONG),
            paragraph(total.one_off, RIGHT),
            paragraph(total.per_year, RIGHT),
            [paragraph(total.largest, RIGHT), paragraph(total.largest_title, SMALL_RIGHT)],
        ]
        for total in report.totals
    ]
    head = [paragraph("Currency", SMALL)]
    head += [paragraph(name, SMALL_RIGHT) for name in ("Paid once", "Each year", "Largest sum")]
    return _section("Totals", rows, widths=[60, 110, 110, WIDTH - 280], head=head)


def _timeline(report: Report) -> list[Flowable]:
    rows = [
        [paragraph(long_date(entry.date)), paragraph(entry.title), paragraph(_pages(entry.pages), RIGHT)]
        for entry in report.analysis.timeline
    ]
    return _section("Timeline", rows, widths=[110, WIDTH - 210, 100])


def _group(group: Group) -> list[Flowable]:
    rows = []
    for entry in group.entries:
        title = f"{entry.title} ({entry.severity})" if entry.severity else entry.title
        lines = [paragraph(title, STRONG), *([paragraph(entry.value)] if entry.value else [])]
        rows.append([[*lines, paragraph(f"“{entry.quote}”", SMALL)], paragraph(f"page {entry.page}", RIGHT)])
    return _section(f"{group.name} ({len(group.entries)})", rows, widths=[WIDTH - 60, 60])


def _unlisted(report: Report) -> list[Flowable]:
    count = report.unlisted_count
    return (
        [Spacer(1, 8), paragraph(f"{count} further findings are counted, but not listed here.")]
        if count
        else []
    )


def _section(
    title: str, rows: list[list[Any]], *, widths: list[float], head: list[Any] | None = None
) -> list[Flowable]:
    if not rows:
        return []
    first = ([head] if head else []) + rows[:1]
    # A heading never stands alone at the end of a page.
    start = KeepTogether([paragraph(title, HEADING), draw_table(first, widths=widths)])
    return [start, draw_table(rows[1:], widths=widths)] if rows[1:] else [start]


def _titled(title: str, flowable: Flowable) -> Flowable:
    return KeepTogether([paragraph(title, HEADING), flowable])


def _pages(pages: Sequence[int]) -> str:
    if not pages:
        return ""
    shown = ", ".join(str(page) for page in pages[:6]) + (" …" if len(pages) > 6 else "")
    return f"page {shown}" if len(pages) == 1 else f"pages {shown}"
