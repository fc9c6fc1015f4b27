"""How the PDF report looks: its fonts, tones and building blocks."""

from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import reportlab
from reportlab.graphics.shapes import Drawing, String
from reportlab.graphics.shapes import Rect as PdfRect
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, LongTable, Paragraph, TableStyle

from documents.charts import Chart, Rect, Text, Tone

BUNDLED = Path(reportlab.__file__).parent / "fonts"
SYSTEM = Path("/usr/share/fonts/truetype/dejavu")
# The first has the letters of more languages, where the machine has it; reportlab brings the second along.
FONTS = (
    (SYSTEM / "DejaVuSans.ttf", SYSTEM / "DejaVuSans-Bold.ttf"),
    (BUNDLED / "Vera.ttf", BUNDLED / "VeraBd.ttf"),
)
REGULAR, BOLD = "Report", "Report-Bold"
TONES: dict[Tone, Color] = {
    "ink": HexColor("#18212d"), "muted": HexColor("#5b6673"), "line": HexColor("#d8dee6"),
    "accent": HexColor("#2f6fa8"), "soft": HexColor("#f2f5f9"), "low": HexColor("#5fa777"),
    "medium": HexColor("#e0a63a"), "high": HexColor("#c94f4f"), "ocr": HexColor("#8a6fb8"),
    "none": HexColor("#b9c1cb"),
}  # fmt: skip
MARGIN = 20 * mm
FRAME_PADDING = 6.0  # reportlab's own, on either side
WIDTH = A4[0] - 2 * MARGIN - 2 * FRAME_PADDING

BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=9, leading=12.5, textColor=TONES["ink"])
SMALL = ParagraphStyle("small", parent=BODY, fontSize=7.5, leading=10.5, textColor=TONES["muted"])
STRONG = ParagraphStyle("strong", parent=BODY, fontName=BOLD)
RIGHT = ParagraphStyle("right", parent=BODY, alignment=2)
SMALL_RIGHT = ParagraphStyle("small-right", parent=SMALL, alignment=2)
TITLE = ParagraphStyle("title", parent=STRONG, fontSize=18, leading=23)
HEADING = ParagraphStyle("heading", parent=STRONG, fontSize=12, leading=16, spaceBefore=14, spaceAfter=6)
TILE = ParagraphStyle("tile", parent=STRONG, fontSize=17, leading=21, alignment=1)
TILE_NAME = ParagraphStyle("tile-name", parent=SMALL, alignment=1)


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    return Paragraph(escape(drawable(text)), style)


def draw_table(rows: list[list[Any]], *, widths: list[float], lines: bool = True) -> LongTable:
    table = LongTable(rows, colWidths=widths)
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 6),
        ("RIGHTPADDING", (0, 0), (-1, -1), 6),
        # Lists begin and end with the headings and charts; a box keeps its text off its edge.
        ("LEFTPADDING", (0, 0), (0, -1), 0 if lines else 8),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0 if lines else 8),
        ("TOPPADDING", (0, 0), (-1, -1), 4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    if lines:
        style.append(("LINEBELOW", (0, 0), (-1, -1), 0.5, TONES["line"]))
    table.setStyle(TableStyle(style))
    return table


def draw_chart(chart: Chart) -> Flowable:
    scale = WIDTH / chart.width
    drawing = Drawing(WIDTH, chart.height * scale)
    for shape in chart.shapes:
        # Charts count from the upper edge, PDF from the lower one.
        if isinstance(shape, Rect):
            y = chart.height - shape.y - shape.height
            drawing.add(PdfRect(shape.x, y, shape.width, shape.height, **_style(shape.tone)))
        else:
            drawing.add(_label(shape, y=chart.height - shape.y))
    drawing.scale(scale, scale)
    return drawing


def _label(text: Text, *, y: float) -> String:
    size = text.size * 0.9  # this font runs wider than a browser's
    style = {**_style(text.tone), "fontName": REGULAR, "fontSize": size, "textAnchor": text.anchor}
    return String(text.x, y, drawable(text.text), **style)


def _style(tone: Tone) -> Any:
    return {"fillColor": TONES[tone], "strokeColor": None}


def drawable(text: str) -> str:
    """`text` with a mark in place of each letter that the font does not have, which would print as a box."""
    letters = load_fonts()
    return "".join(char if ord(char) in letters or char.isspace() else "?" for char in text)


@cache
def load_fonts() -> frozenset[int]:
    """Register the first font that is there; the code points it has."""
    regular, bold = next((pair for pair in FONTS if all(path.is_file() for path in pair)), FONTS[-1])
    font = TTFont(REGULAR, str(regular))
    pdfmetrics.registerFont(font)
    pdfmetrics.registerFont(TTFont(BOLD, str(bold)))
    return frozenset(font.face.charToGlyph)
