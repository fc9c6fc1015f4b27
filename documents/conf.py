"""The document service's settings; `outbox/conf.py` says where the values come from."""

from pydantic import BaseModel, ConfigDict, Field

from outbox.conf import read_settings


class DocumentSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    upload_max_bytes: int = Field(20_000_000, ge=1_000, description="largest document that is accepted")
    upload_max_pages: int = Field(200, ge=1, description="most pages of one document")
    upload_max_pixels: int = Field(50_000_000, ge=10_000, description="largest picture, width times height")
    upload_overhead_bytes: int = Field(
        1_000_000,
        ge=10_000,
        description="room in a request's body beside the document: other fields, boundaries",
    )
    text_max_chars: int = Field(
        500_000, ge=1_000, description="text kept of one document; the rest is cut, with a warning"
    )
    text_layer_min_chars: int = Field(
        25, ge=1, description="letters and digits below which a page's text layer does not count: it is OCRed"
    )
    pdf_max_memory_bytes: int = Field(
        500_000_000, ge=100_000_000, description="memory that opening and reading one PDF may take (on Linux)"
    )
    pdf_open_timeout_seconds: float = Field(
        15.0, gt=0, description="longest that opening a PDF may take; an upload waits for it"
    )
    pdf_page_timeout_seconds: float = Field(
        30.0, gt=0, description="longest that one page's text or picture may take, without OCR"
    )
    tesseract_command: str = Field("tesseract", min_length=1, description="the OCR program: a name or a path")
    ocr_language: str = Field(
        "eng", pattern=r"^[a-zA-Z_]+(\+[a-zA-Z_]+)*$", description="tesseract's language data"
    )
    ocr_dots_per_inch: int = Field(200, ge=72, le=600, description="resolution in which a scan is rendered")
    ocr_max_pixels: int = Field(
        25_000_000, ge=100_000, description="largest picture handed to the OCR program"
    )
    ocr_max_side_pixels: int = Field(
        20_000, ge=1_000, le=32_767, description="longest side of a picture handed to the OCR program"
    )
    ocr_page_timeout_seconds: float = Field(
        60.0, gt=0, description="longest that the OCR of one page may take"
    )
    ocr_total_timeout_seconds: float = Field(
        600.0, gt=0, description="longest that the OCR of one document may take"
    )
    report_max_findings: int = Field(
        1_000, ge=1, description="findings listed in a report; the rest are only counted"
    )


def conf() -> DocumentSettings:
    return read_settings(DocumentSettings)
