"""The four steps on the real engine and the real sample, with the offline model at full speed."""

import json
from typing import get_args

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from documents.findings import Finding
from documents.flows import document_analysis
from documents.report import ReportFiles
from documents.samples.build import SAMPLE
from documents.storage import load_file
from documents.uploads import DocumentInput, receive
from streaming.llm import ModelUnavailable, get_model
from tests.integration.documents import builders
from workflows.models import Run
from workflows.services import erase, rerun
from workflows.services.scheduling import TASK
from workflows.states import AttemptKind, RunState
from workflows.testing.faults import FaultKind

pytestmark = pytest.mark.django_db(transaction=True)

LETTER = b"The lease ends on 31 December 2029. The Tenant shall pay a rent of EUR 900.00 per month."


@pytest.fixture(autouse=True)
def offline(longhaul, configure) -> None:
    """Where a test scripts nothing, the offline model answers, at full speed."""
    configure(offline_chunk_delay_seconds=0)
    longhaul.model.otherwise = get_model()


@pytest.fixture
def begin(owner, longhaul):
    def begin(content: bytes = LETTER, *, name: str = "lease.txt") -> Run:
        document = receive(ContentFile(content, name=name))
        return longhaul.start(document_analysis, input=document, owner=owner)

    return begin


def report_of(run: Run) -> ReportFiles:
    return ReportFiles.model_validate(run.steps.get(name="write_report").output)


@pytest.mark.usefixtures("tesseract")
def test_the_sample_becomes_a_report(begin, longhaul):
    run = begin(SAMPLE.read_bytes(), name="lease-agreement.pdf")
    run = longhaul.finish(run)

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


def test_the_reading_is_told_page_by_page(begin, longhaul):
    run = begin(
        builders.pdf(*[[f"Page {number} of a long agreement."] for number in range(3)]), name="three.pdf"
    )
    longhaul.finish(run)
    assert longhaul.messages(run)[:3] == ["Reading three.pdf", "Reading page 2 of 3", "Reading page 3 of 3"]
    assert run.steps.get(name="extract_text").progress == {"done": 3, "total": 3, "unit": "pages"}


def test_the_bulk_is_in_the_storage_and_not_in_the_rows(begin, longhaul):
    run = begin()
    longhaul.finish(run)
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
        (builders.png_of_half_its_rows(), "damaged-document", "damaged or was cut off"),
    ],
    ids=["white-space", "blank-page", "half-picture"],
)
def test_what_only_the_worker_can_see_fails_the_run_with_a_sentence_and_no_retry(
    begin, longhaul, content, code, words
):
    run = begin(content)
    run = longhaul.finish(run)
    step = run.steps.get(name="extract_text")
    assert (run.state, step.attempt_count, step.error["code"]) == (RunState.FAILED, 1, code)
    assert words in step.error["detail"]


def test_a_scan_without_tesseract_fails_with_the_way_out(begin, longhaul, configure):
    configure(tesseract_command="/nowhere/tesseract")
    run = begin(builders.scan_pdf(), name="scan.pdf")
    longhaul.finish(run)
    step = run.steps.get(name="extract_text")
    assert "apt-get install tesseract-ocr" in step.error["detail"]
    assert any("tesseract is not installed" in message for message in longhaul.messages(run))


def test_the_sample_without_tesseract_completes_and_says_what_is_missing(begin, longhaul, configure):
    configure(tesseract_command="/nowhere/tesseract")
    run = begin(SAMPLE.read_bytes(), name="lease-agreement.pdf")
    run = longhaul.finish(run)
    assert run.state == RunState.COMPLETED
    warning = "Page 5 is a scan and could not be read: tesseract is not installed"
    assert any(message.startswith(warning) for message in longhaul.messages(run))
    assert warning in load_file(report_of(run).html).decode()
    reasons = run.steps.get(name="analyse").output["risk"]["reasons"]
    assert "1 page could not be read" in [reason["title"] for reason in reasons]


def test_an_upload_that_is_gone_or_changed_fails_with_a_sentence(begin, longhaul):
    run = begin()
    default_storage.delete(DocumentInput.model_validate(run.input).storage_name)
    longhaul.finish(run)
    error = run.steps.get(name="extract_text").error
    assert error["code"] == "file-missing"
    assert error["detail"] == "A file of this run is no longer in the storage. Hand in the document again."


def test_an_interrupted_generation_goes_on_where_it_was_cut(begin, longhaul):
    term = {"kind": "term", "value": "30 days", "page": 1, "quote": "rent", "confidence": 0.9}
    longhaul.model.script({**term, "title": "Notice"}, ModelUnavailable("The model does not answer."))
    longhaul.model.script({**term, "title": "Duration"}, chunk_chars=7)
    run = longhaul.finish(begin())

    assert run.state == RunState.COMPLETED
    assert longhaul.attempts(run, "extract_findings") == ["failed", "completed"]
    assert [item["title"] for item in longhaul.items(run)] == ["Notice", "Duration"]
    again = longhaul.model.prompts[1]
    assert again.done[0]["title"] == "Notice"
    assert "[page 1]" in again.text
    assert '"currency"' in again.system


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_whatever_happens_to_its_workers_the_analysis_ends_the_same(begin, longhaul, kind):
    expected = longhaul.finish(begin())
    for step in ("extract_text", "extract_findings", "analyse", "write_report"):
        longhaul.fault(step, kind)
    run = longhaul.finish(begin())

    longhaul.check(run)
    assert run.state == RunState.COMPLETED
    assert longhaul.items(run) == longhaul.items(expected)
    for file in (report_of(run).html, report_of(run).pdf):
        assert load_file(file), "the report that counts is there, whatever another attempt wrote"


def test_a_cancelled_analysis_stops_in_the_middle_of_its_findings(begin, longhaul):
    run = begin()
    longhaul.during("extract_findings", lambda: longhaul.cancel(run), after_items=1)
    run = longhaul.finish(run)
    longhaul.check(run)
    assert (run.state, len(longhaul.items(run))) == (RunState.CANCELLED, 1)
    longhaul.assert_events(
        run, [..., "item.committed", "operator.action", "run.cancelling", ..., "run.cancelled"]
    )


def test_undoing_removes_the_text_and_the_report_and_can_be_done_twice(begin, longhaul, operator, stored):
    run = begin()
    longhaul.finish(run)
    assert len(stored()) == 4
    text = run.steps.get(name="extract_text").output
    longhaul.compensate(run, by=operator)
    run = longhaul.finish(run)

    assert run.state == RunState.COMPENSATED
    assert stored() == [run.input["storage_name"]]
    again = document_analysis.step("extract_text")
    assert again.undo_handler is not None
    ctx = type("Ctx", (), {"run_id": run.id, "step_name": "extract_text"})()
    again.undo_handler(ctx, again.output.validate_python(text))
    again.undo_handler(ctx, None)


def test_an_undo_that_knows_nothing_of_the_outcome_empties_the_folder(begin, longhaul, operator, stored):
    longhaul.fault("extract_text", "die_after_body", times=3)
    run = longhaul.finish(begin())
    assert (run.state, longhaul.attempts(run, "extract_text")) == (RunState.FAILED, ["lost"] * 3)
    assert any(name.startswith(f"runs/{run.id}/extract_text/") for name in stored())
    run = longhaul.finish(longhaul.compensate(run, by=operator))
    assert run.state == RunState.COMPENSATED
    assert stored() == [run.input["storage_name"]]


def test_a_late_attempt_overwrites_nothing_of_the_one_that_counts(begin, longhaul):
    run = begin()
    late = longhaul.acquire(run.steps.get(name="extract_text"))
    longhaul.lose(late)
    run = longhaul.finish(run)
    longhaul.execute(late)
    assert run.state == RunState.COMPLETED
    output = run.steps.get(name="extract_text").output
    assert output["file"]["name"].endswith("/2.json")
    assert default_storage.exists(output["file"]["name"])


def test_only_the_steps_that_leave_something_behind_are_undone():
    undoable = [step.name for step in document_analysis.steps if step.undo_handler is not None]
    assert undoable == ["extract_text", "write_report"]
    assert {attempt.value for attempt in AttemptKind} >= {"forward", "undo"}


@pytest.mark.parametrize("first", ["parent", "child"])
def test_a_document_lives_as_long_as_a_run_that_reads_it(
    begin, longhaul, operator, stored, redis_client, first
):
    parent = longhaul.finish(begin())
    child = longhaul.finish(rerun(parent.pk, by=operator, clock=longhaul.clock))
    erased, left = (parent, child) if first == "parent" else (child, parent)
    erase(erased.pk, by=operator, clock=longhaul.clock)
    document = DocumentInput.model_validate(left.input)
    assert default_storage.exists(document.storage_name)
    again = longhaul.finish(rerun(left.pk, by=operator, clock=longhaul.clock))
    assert again.state == RunState.COMPLETED
    for run in (left, again):
        erase(run.pk, by=operator, clock=longhaul.clock)
    assert stored() == []


def test_an_erased_run_leaves_the_document_that_a_schedule_starts_runs_with(begin, longhaul, operator):
    run, other = longhaul.finish(begin()), longhaul.finish(begin())
    schedule = PeriodicTask.objects.create(
        name="every other month",
        task=TASK,
        interval=IntervalSchedule.objects.create(every=60, period="days"),
        kwargs=json.dumps({"workflow": run.workflow, "owner": run.owner.username, "input": run.input}),
        enabled=False,
    )
    PeriodicTask.objects.create(
        name="can start nothing", task=TASK, interval=schedule.interval, kwargs='{"workflow": 1}'
    )
    for ended in (run, other):
        document_analysis.erase(ended.pk, DocumentInput.model_validate(ended.input))

    assert default_storage.exists(run.input["storage_name"])
    assert not default_storage.exists(other.input["storage_name"])

    schedule.delete()
    document_analysis.erase(run.pk, DocumentInput.model_validate(run.input))
    assert not default_storage.exists(run.input["storage_name"])


def test_of_two_runs_that_are_being_erased_neither_keeps_the_document(
    begin, longhaul, operator, stored, redis_client
):
    parent = longhaul.finish(begin())
    child = longhaul.finish(rerun(parent.pk, by=operator, clock=longhaul.clock))
    Run.objects.update(erase_requested_at=longhaul.clock.now())  # each sees the other still there
    for run in (parent, child):
        document_analysis.erase(run.pk, DocumentInput.model_validate(run.input))
    assert stored() == []
