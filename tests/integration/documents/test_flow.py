"""The four steps on the real engine and the real sample, with the offline model at full speed."""

import json
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from documents.findings import Finding
from documents.flows import document_analysis
from documents.report import ReportFiles
from documents.samples.build import SAMPLE
from documents.storage import load_file
from documents.uploads import DocumentInput, receive
from outbox.models import Entry
from streaming.llm import ModelUnavailable, get_model
from tests.fakes import ScriptedModel
from tests.integration.documents import builders
from tests.integration.workflows.conftest import Engine
from workflows import services
from workflows.engine.outcomes import Outcome
from workflows.execution import executor
from workflows.execution.signals import Signals
from workflows.models import Run
from workflows.services.records import LeasedRecords
from workflows.states import AttemptKind, RunState

pytestmark = pytest.mark.django_db(transaction=True)

LETTER = b"The lease ends on 31 December 2029. The Tenant shall pay a rent of EUR 900.00 per month."


class DocumentEngine(Engine):
    """A worker that has a model to ask."""

    model: Any = staticmethod(get_model)

    def execute(self, lease: Any) -> Outcome:
        records = LeasedRecords(lease, clock=self.clock)
        return executor.run(lease, records=records, signals=Signals(), model=self.model)


@pytest.fixture
def engine(clock, configure) -> DocumentEngine:
    configure(offline_chunk_delay_seconds=0)
    return DocumentEngine(clock)


@pytest.fixture
def begin(owner, clock):
    def begin(content: bytes = LETTER, *, name: str = "lease.txt") -> Run:
        document = receive(ContentFile(content, name=name))
        return services.start(document_analysis, input=document, owner=owner, clock=clock)

    return begin


def messages(run: Run) -> list[str]:
    entries = Entry.objects.filter(stream_id=run.id, type="message").order_by("seq")
    return [entry.payload["text"] for entry in entries]


def report_of(run: Run) -> ReportFiles:
    return ReportFiles.model_validate(run.steps.get(name="write_report").output)


@pytest.mark.usefixtures("tesseract")
def test_the_sample_becomes_a_report(begin, engine):
    run = begin(SAMPLE.read_bytes(), name="lease-agreement.pdf")
    engine.drive(run)

    run = Run.objects.get()
    assert (run.state, run.title) == (RunState.COMPLETED, "Analysis of lease-agreement.pdf")
    findings = [Finding.model_validate(item.data) for item in run.items.order_by("index")]
    assert len(findings) >= 80
    assert {finding.page for finding in findings} == {1, 2, 3, 4, 5, 6}
    files = report_of(run)
    assert files.findings_count == len(findings)
    assert load_file(files.pdf).startswith(b"%PDF")
    html = load_file(files.html).decode()
    assert "Brightwater Studio Limited" in html
    assert "page 5 read by OCR" in html


def test_the_reading_is_told_page_by_page(begin, engine):
    run = begin(
        builders.pdf(*[[f"Page {number} of a long agreement."] for number in range(3)]), name="three.pdf"
    )
    engine.drive(run)
    assert messages(run)[:3] == ["Reading three.pdf", "Reading page 2 of 3", "Reading page 3 of 3"]
    assert run.steps.get(name="extract_text").progress == {"done": 3, "total": 3, "unit": "pages"}


def test_the_bulk_is_in_the_storage_and_not_in_the_rows(begin, engine):
    run = begin()
    engine.drive(run)
    output = run.steps.get(name="extract_text").output
    assert "EUR 900.00" not in json.dumps(output)
    with default_storage.open(output["file"]["name"]) as file:
        content = file.read()
    assert b"EUR 900.00" in content
    assert len(content) == output["file"]["size_bytes"]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b" \n \n", "no-text", "All of its pages are empty."),
        (builders.pdf([]), "no-text", "No text could be read from this document."),
        (builders.encoded(builders.picture())[:-500], "damaged-document", "damaged or was cut off"),
    ],
    ids=["white-space", "blank-page", "half-picture"],
)
def test_what_only_the_worker_can_see_fails_the_run_with_a_sentence_and_no_retry(
    begin, engine, content, code, words
):
    run = begin(content)
    engine.drive(run)
    run = Run.objects.get()
    step = run.steps.get(name="extract_text")
    assert (run.state, step.attempt_count, step.error["code"]) == (RunState.FAILED, 1, code)
    assert words in step.error["detail"]


def test_a_scan_without_tesseract_fails_with_the_way_out(begin, engine, configure):
    configure(tesseract_command="/nowhere/tesseract")
    run = begin(builders.scan_pdf(), name="scan.pdf")
    engine.drive(run)
    step = run.steps.get(name="extract_text")
    assert "apt-get install tesseract-ocr" in step.error["detail"]
    assert any("tesseract is not installed" in message for message in messages(run))


def test_the_sample_without_tesseract_completes_and_says_what_is_missing(begin, engine, configure):
    configure(tesseract_command="/nowhere/tesseract")
    run = begin(SAMPLE.read_bytes(), name="lease-agreement.pdf")
    engine.drive(run)
    assert Run.objects.get().state == RunState.COMPLETED
    warning = "Page 5 is a scan and could not be read: tesseract is not installed"
    assert any(message.startswith(warning) for message in messages(run))
    assert warning in load_file(report_of(run).html).decode()
    reasons = run.steps.get(name="analyse").output["risk"]["reasons"]
    assert "1 page could not be read" in [reason["title"] for reason in reasons]


def test_an_upload_that_is_gone_or_changed_fails_with_a_sentence(begin, engine):
    run = begin()
    default_storage.delete(DocumentInput.model_validate(run.input).storage_name)
    engine.drive(run)
    error = run.steps.get(name="extract_text").error
    assert error["code"] == "file-missing"
    assert error["detail"] == "A file of this run is no longer in the storage. Hand in the document again."


def test_an_interrupted_generation_goes_on_where_it_was_cut(begin, engine):
    line = json.dumps(
        {"kind": "term", "title": "Notice", "value": "30 days", "page": 1, "quote": "rent", "confidence": 0.9}
    )
    run = begin()
    engine.work(run.steps.get(name="extract_text"))
    broken = ScriptedModel([line + "\n", ModelUnavailable("The model does not answer.")])
    engine.model = lambda: broken
    engine.work(run.steps.get(name="extract_findings"))
    whole = ScriptedModel([line.replace("Notice", "Duration") + "\n"])
    engine.model = lambda: whole
    engine.sweep(after_seconds=120)
    engine.drive(run)

    assert Run.objects.get().state == RunState.COMPLETED
    assert [item.data["title"] for item in run.items.order_by("index")] == ["Notice", "Duration"]
    assert whole.prompts[0].done[0]["title"] == "Notice"
    assert "[page 1]" in whole.prompts[0].text
    assert '"currency"' in whole.prompts[0].system


def test_undoing_removes_the_text_and_the_report_and_can_be_done_twice(begin, engine, operator, stored):
    run = begin()
    engine.drive(run)
    assert len(stored()) == 4
    text = run.steps.get(name="extract_text").output
    services.compensate(run.id, by=operator, reason="asked to forget it", clock=engine.clock)
    engine.drive(run)

    run = Run.objects.get()
    assert run.state == RunState.COMPENSATED
    assert stored() == [run.input["storage_name"]]
    again = document_analysis.step("extract_text")
    assert again.undo_handler is not None
    ctx = type("Ctx", (), {"run_id": run.id, "step_name": "extract_text"})()
    again.undo_handler(ctx, again.output.validate_python(text))
    again.undo_handler(ctx, None)


def test_an_undo_that_knows_nothing_of_the_outcome_empties_the_folder(begin, engine, stored):
    run = begin()
    lease = engine.acquire(run.steps.get(name="extract_text"))
    engine.execute(lease)  # and the worker dies before it can settle
    assert any(name.startswith(f"runs/{run.id}/extract_text/") for name in stored())
    undo = document_analysis.step("extract_text").undo_handler
    assert undo is not None
    undo(type("Ctx", (), {"run_id": run.id, "step_name": "extract_text"})(), None)
    assert stored() == [run.input["storage_name"]]


def test_a_late_attempt_overwrites_nothing_of_the_one_that_counts(begin, engine):
    run = begin()
    step = run.steps.get(name="extract_text")
    late = engine.acquire(step)
    engine.clock.turn(60)
    engine.sweep()
    engine.clock.turn(60)
    engine.sweep()
    engine.drive(run)
    engine.execute(late)
    assert Run.objects.get().state == RunState.COMPLETED
    output = Run.objects.get().steps.get(name="extract_text").output
    assert output["file"]["name"].endswith("/2.json")
    assert default_storage.exists(output["file"]["name"])


def test_only_the_steps_that_leave_something_behind_are_undone():
    undoable = [step.name for step in document_analysis.steps if step.undo_handler is not None]
    assert undoable == ["extract_text", "write_report"]
    assert {attempt.value for attempt in AttemptKind} >= {"forward", "undo"}
