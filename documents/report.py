"""The report: written as HTML and as PDF, and stored."""

from django.template.loader import render_to_string
from pydantic import BaseModel

from documents.report_content import Report
from documents.report_pdf import draw_pdf
from documents.storage import StoredFile, save_file


class ReportFiles(BaseModel):
    html: StoredFile
    pdf: StoredFile
    findings_count: int
    risk_score: int


def write_report(report: Report, *, name: str) -> ReportFiles:
    """Store the report as `name`.html and `name`.pdf, in place of what an earlier try left there."""
    return ReportFiles(
        html=save_file(f"{name}.html", draw_html(report).encode(), media_type="text/html"),
        pdf=save_file(f"{name}.pdf", draw_pdf(report), media_type="application/pdf"),
        findings_count=len(report.findings),
        risk_score=report.analysis.risk.score,
    )


def draw_html(report: Report) -> str:
    """One page that needs nothing else: no script, no font, no picture from anywhere."""
    return render_to_string("documents/report.html", {"report": report, "analysis": report.analysis})
