"""The analysis of a document: read it, find the facts, see what they mean together, write the report.

Each step that stores a file writes one of its own attempt, in its own folder: a late attempt overwrites nothing,
and the undo empties the folder whatever is known of the outcome.
"""

from collections.abc import Generator
from contextlib import closing
from datetime import date
from typing import TypeVar
from uuid import UUID

from django.core.files.storage import default_storage
from django.utils import timezone
from pydantic import BaseModel

from documents import analysis, report
from documents.errors import Unreadable
from documents.findings import Finding, FindingsSummary
from documents.reading import ExtractedText, Page, read_document
from documents.report_content import Report, SourceQuality
from documents.storage import FileDamaged, StoredFile, load_file, remove_folder, save_file, step_folder
from documents.uploads import DocumentInput
from streaming.llm import Prompt
from streaming.prompts import item_prompt
from workflows.definitions import Retry, Workflow, step
from workflows.errors import Fatal
from workflows.execution import StepContext
from workflows.models import Run
from workflows.services.scheduling import scheduled_inputs

__all__ = ["document_analysis"]

Result = TypeVar("Result")

MAX_PAGE_MESSAGES = 20  # "Reading page 3 of 9": of a long document not every page is told

TASK = """\
You read a contract, an invoice, a lease or a letter and list the facts that matter to the person who signs or \
pays it: the parties and their roles, the dates and what they are the dates of, the amounts and what they are \
for, who has to do what, the terms (duration, notice, governing law …) and the risks (penalties, liability, \
one-sided rights, automatic renewal …). Write the facts in the order of the document. Copy each quote word for \
word from the document, one sentence or table row long, and give the page on which it stands: pages begin with \
lines such as [page 3]. Name the same thing by the same title wherever it comes up again."""

EXAMPLE = Finding(
    kind="date",
    title="End date",
    value="31 March 2031",
    page=2,
    quote="The licence ends on 31 March 2031.",
    confidence=0.95,
    date=date(2031, 3, 31),
)


class SavedText(BaseModel):
    """The document's text, as JSON in the storage, and how well it could be read."""

    file: StoredFile
    quality: SourceQuality


@step(title="Reading the document", timeout=900, retry=Retry(attempts=3))
def extract_text(ctx: StepContext) -> SavedText:
    document: DocumentInput = ctx.input
    content = _load(_uploaded(document))

    def on_page(page: Page, pages: int) -> None:
        ctx.progress(page.number, pages, "pages")
        if page.warning:
            ctx.say("{warning}", warning=page.warning)
        every = -(-pages // MAX_PAGE_MESSAGES)
        if page.number < pages and page.number % every == 0:
            ctx.say("Reading page {page} of {pages}", page=page.number + 1, pages=pages)

    ctx.say("Reading {filename}", filename=document.filename)
    try:
        text = read_document(content, document.media_type, on_page=on_page)
    except Unreadable as problem:
        raise Fatal(problem.detail, code=problem.code) from None
    for warning in text.warnings:  # of the document as a whole; a page's own were told with the page
        ctx.say("{warning}", warning=warning)
    _refuse_empty(text)
    name = f"{step_folder(ctx.run_id, ctx.step_name)}/{ctx.attempt}.json"
    file = save_file(name, text.model_dump_json().encode(), media_type="application/json")
    return SavedText(file=file, quality=SourceQuality.of(text))


@extract_text.undo
def discard_text(ctx: StepContext, text: SavedText | None) -> None:
    if text is not None:
        default_storage.delete(text.file.name)
    remove_folder(step_folder(ctx.run_id, ctx.step_name))


@step(
    title="Finding the facts",
    queue="llm",
    items=Finding,
    on_retry="keep",
    timeout=3_600,
    idle_timeout=150,  # longer than the model may take for its first word
    retry=Retry(attempts=5),
)
def extract_findings(ctx: StepContext) -> Generator[Finding, None, FindingsSummary]:
    text = _read(ctx.output(extract_text))
    ctx.say("Looking for facts on {pages} pages", pages=len(text.pages))
    prompt = Prompt(system=item_prompt(Finding, task=TASK, example=EXAMPLE), text=text.marked())
    result = yield from _show_page(ctx, ctx.generate(prompt, items=Finding), pages=len(text.pages))
    return FindingsSummary(finish_reason=result.finish_reason, rejected=result.rejected)


@step(title="Analysing the facts", timeout=120)
def analyse(ctx: StepContext) -> analysis.Analysis:
    saved = ctx.output(extract_text)
    findings = ctx.items(extract_findings)
    ctx.say("Comparing {count} findings", count=len(findings))
    text = _read(saved).marked()
    return analysis.analyse(findings, text=text, unread_pages=len(saved.quality.unread_pages))


@step(title="Writing the report", timeout=300)
def write_report(ctx: StepContext) -> report.ReportFiles:
    content = Report(
        filename=ctx.input.filename,
        reference=str(ctx.run_id),
        created_at=timezone.now(),
        analysis=ctx.output(analyse),
        findings=ctx.items(extract_findings),
        source=ctx.output(extract_text).quality,
    )
    ctx.say("Writing the report as HTML and PDF")
    return report.write_report(content, name=f"{step_folder(ctx.run_id, ctx.step_name)}/{ctx.attempt}")


@write_report.undo
def discard_report(ctx: StepContext, files: report.ReportFiles | None) -> None:
    for file in (files.html, files.pdf) if files is not None else ():
        default_storage.delete(file.name)
    remove_folder(step_folder(ctx.run_id, ctx.step_name))


def _show_page(
    ctx: StepContext, findings: Generator[Finding, None, Result], *, pages: int
) -> Generator[Finding, None, Result]:
    """Pass the findings on, and show the page they have come to: they come in the order of the document."""
    reached = 0
    with closing(findings):
        while True:
            try:
                finding = next(findings)
            except StopIteration as end:
                ctx.progress(pages, pages, "pages")
                result: Result = end.value
                return result
            if reached < finding.page <= pages:
                reached = finding.page
                ctx.progress(reached - 1, pages, "pages")
            yield finding


def _uploaded(document: DocumentInput) -> StoredFile:
    return StoredFile(
        name=document.storage_name,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        sha256=document.sha256,
    )


def _read(saved: SavedText) -> ExtractedText:
    return ExtractedText.model_validate_json(_load(saved.file))


def _load(file: StoredFile) -> bytes:
    """The bytes of a file of this run. Raises Fatal: what is gone does not come back by waiting."""
    try:
        return load_file(file)
    except FileDamaged as problem:
        raise Fatal(f"{problem} Hand in the document again.", code="file-missing") from None


def _refuse_empty(text: ExtractedText) -> None:
    if any(page.text.strip() for page in text.pages):
        return
    warnings = text.all_warnings()
    why = warnings[0] if warnings else "All of its pages are empty."
    raise Fatal(f"No text could be read from this document. {why}", code="no-text")


def erase_files(run_id: UUID, document: DocumentInput) -> None:
    """Remove what the steps stored, and with the last run that reads it the upload, unless a schedule names it; called
    when a run is erased, perhaps twice.
    """
    if not _is_read_by_others(run_id, document) and not _is_scheduled(document):
        default_storage.delete(document.storage_name)
    for step_name in (extract_text.name, write_report.name):
        remove_folder(step_folder(run_id, step_name))


def _is_read_by_others(run_id: UUID, document: DocumentInput) -> bool:
    """A run that was run again shares its upload with its children. Those that are being erased read no more: two that
    were erased at once would each keep it for the other.
    """
    others = Run.objects.filter(workflow=document_analysis.name, erase_requested_at__isnull=True)
    return others.filter(input__storage_name=document.storage_name).exclude(pk=run_id).exists()


def _is_scheduled(document: DocumentInput) -> bool:
    scheduled = scheduled_inputs(document_analysis.name)
    return any(values.get("storage_name") == document.storage_name for values in scheduled)


document_analysis = Workflow(
    "document-analysis",
    version=1,
    input=DocumentInput,
    title="Analysis of {filename}",
    steps=[extract_text, extract_findings, analyse, write_report],
    on_failure="stop",
    erase=erase_files,
    trusted_input=True,  # it names a file of the storage, and must not name somebody else's
)
