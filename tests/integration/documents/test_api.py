"""POST /api/analysis and the report's addresses, through Django's whole request cycle."""

import base64
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.urls import reverse

from documents.flows import document_analysis
from documents.report import ReportFiles
from documents.storage import save_file
from documents.uploads import DocumentInput
from tests.factories import make_run
from tests.integration.documents import builders
from workflows.models import Run
from workflows.problem_kinds import KINDS
from workflows.services import start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/analysis"


@pytest.fixture
def api(owner) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def upload(content: bytes, name: str = "lease.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="application/pdf")


def basic(name: str, password: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_a_document_is_taken_at_once_with_the_address_of_its_run(api):
    answer = api.post(URL, {"file": upload(builders.pdf())})
    assert answer.status_code == 202
    run = Run.objects.get()
    body = answer.json()
    assert body["id"] == str(run.id)
    assert body["state"] == "pending"
    assert body["title"] == "Analysis of lease.pdf"
    assert answer["Location"] == f"http://testserver/api/v1/runs/{run.id}"
    assert body["links"]["self"] == answer["Location"]
    assert body["links"]["page"].endswith(f"/runs/{run.id}/")
    assert api.get(answer["Location"]).json()["seq"] == body["seq"]
    assert run.input["media_type"] == "application/pdf"


def test_a_title_can_be_given(api):
    answer = api.post(URL, {"file": upload(builders.pdf()), "title": " Our\nlease "})
    assert answer.json()["title"] == "Our lease"


def test_the_run_joins_the_trace_of_the_request(api):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    api.post(URL, {"file": upload(builders.pdf())}, headers=headers)
    assert Run.objects.get().trace.trace_id == trace_id


def test_basic_authentication_is_enough(owner):
    answer = Client().post(URL, {"file": upload(builders.pdf())}, **basic("anna", "anna-password"))
    assert answer.status_code == 202


def test_nobody_uploads_without_signing_in(stored):
    answer = Client().post(URL, {"file": upload(builders.pdf())})
    assert answer.status_code in (401, 403)
    assert answer["Content-Type"] == "application/problem+json"
    assert stored() == []


def test_a_session_needs_its_csrf_token(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(URL, {"file": upload(builders.pdf())}).status_code == 403


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty-file"),
        (builders.PROGRAM, 415, "unsupported-type"),
        (builders.pdf()[:-200], 422, "damaged-document"),
        (builders.pdf_without_pages(), 422, "no-pages"),
        (builders.pdf(password="secret"), 422, "encrypted-document"),
        (builders.encoded(builders.picture())[:4_000], 422, "damaged-document"),
    ],
    ids=["empty", "program", "truncated", "0-pages", "encrypted", "half-png"],
)
def test_a_bad_document_is_a_problem_with_a_sentence_and_no_run(api, content, status, code, stored):
    answer = api.post(URL, {"file": upload(content)})
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    assert body["title"] == KINDS[code].title
    assert body["detail"].endswith(".")
    assert not Run.objects.exists()
    assert stored() == []


def test_a_document_of_60_megabytes_is_refused_with_the_limit(api):
    answer = api.post(URL, {"file": upload(bytes(60_000_000))})
    assert answer.status_code == 413
    assert answer.json()["limit_bytes"] == 20_000_000


def test_text_with_nul_and_broken_utf8_is_taken(api):
    answer = api.post(URL, {"file": upload(b"The rent\x00 is \xff\xfe 900 pounds a month.", "notes.txt")})
    assert answer.status_code == 202
    assert Run.objects.get().input["media_type"] == "text/plain"


@pytest.mark.parametrize("body", [{}, {"file": "not a file"}, {"document": upload(b"x")}])
def test_a_form_without_a_file_says_what_is_missing(api, body):
    answer = api.post(URL, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation-error")
    assert "named file" in answer.json()["detail"]


def test_two_files_at_once_are_refused(api):
    answer = api.post(URL, {"file": [upload(builders.pdf()), upload(builders.pdf())]})
    assert answer.status_code == 400


def test_a_body_that_is_no_form_is_refused(api):
    answer = api.post(URL, b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_run_that_cannot_start_leaves_no_file_behind(api, stored, monkeypatch):
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no database today")

    monkeypatch.setattr("documents.starting.start", refuse)
    with pytest.raises(RuntimeError):
        api.post(URL, {"file": upload(builders.pdf())})
    assert stored() == []


class Commit:
    """The commit of the first start fails. done: it was done all the same. lost: and the connection is gone."""

    def __init__(self, monkeypatch, *, done: bool, lost: bool) -> None:
        self.real, self.done, self.lost = BaseDatabaseWrapper._commit, done, lost
        self.fails = self.has_failed = False
        monkeypatch.setattr(BaseDatabaseWrapper, "_commit", lambda wrapper: self.commit(wrapper))
        monkeypatch.setattr("documents.starting.start", self.start)

    def start(self, *args: Any, **kwargs: Any) -> Run:
        self.fails = not self.has_failed
        return start(*args, **kwargs)

    def commit(self, wrapper: BaseDatabaseWrapper) -> None:
        if self.done or not self.fails:
            self.real(wrapper)
        if self.fails:
            self.fails, self.has_failed = False, True
            if self.lost:
                wrapper.connection.close()
            raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("lost", [False, True])
def test_a_commit_whose_answer_is_lost_keeps_its_document_and_is_answered_with_its_run(
    api, stored, monkeypatch, lost
):
    Commit(monkeypatch, done=True, lost=lost)
    answer = api.post(URL, {"file": upload(builders.pdf())}, headers={"Idempotency-Key": "k-1"})
    run = Run.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (202, str(run.id))
    assert stored() == [run.input["storage_name"]]
    again = api.post(URL, {"file": upload(builders.pdf())}, headers={"Idempotency-Key": "k-1"})
    assert ("Idempotency-Replayed" in answer, again["Idempotency-Replayed"]) == (False, "true")
    assert again.json()["id"] == str(run.id)
    assert stored() == [run.input["storage_name"]]


def test_a_commit_that_was_rolled_back_leaves_no_file_behind(api, stored, monkeypatch):
    Commit(monkeypatch, done=False, lost=False)
    with pytest.raises(OperationalError):
        api.post(URL, {"file": upload(builders.pdf())})
    assert not Run.objects.exists()
    assert stored() == []


def test_a_commit_that_may_still_come_keeps_its_document(api, stored, monkeypatch, caplog):
    """A server whose client is gone goes on with the commit: that there is no run yet proves nothing."""
    Commit(monkeypatch, done=False, lost=True)
    with pytest.raises(OperationalError):
        api.post(URL, {"file": upload(builders.pdf())})
    assert len(stored()) == 1
    assert stored()[0] in [getattr(record, "file", None) for record in caplog.records]


def test_a_refused_key_leaves_no_file_behind(api, stored):
    answer = api.post(URL, {"file": upload(builders.pdf())}, headers={"Idempotency-Key": "x" * 300})
    assert answer.status_code == 400
    assert stored() == []


def run_of(owner, *, state: RunState = RunState.RUNNING, steps: tuple[StepState, ...] = ()) -> Run:
    document = DocumentInput(
        filename="Mietvertrag Zürich.pdf",
        media_type="application/pdf",
        storage_name="uploads/0.pdf",
        size_bytes=0,
        sha256="0" * 64,
    )
    input = document.model_dump(mode="json")
    return make_run(owner, workflow=document_analysis, state=state, steps=steps, input=input)


def finished_run(owner) -> Run:
    run = run_of(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 4)
    files = ReportFiles(
        html=save_file(f"runs/{run.id}/write_report/1.html", b"<p>report</p>", media_type="text/html"),
        pdf=save_file(f"runs/{run.id}/write_report/1.pdf", b"%PDF-report", media_type="application/pdf"),
        findings_count=3,
        risk_score=7,
    )
    run.steps.filter(name="write_report").update(output=files.model_dump(mode="json"))
    return run


def test_the_report_of_somebody_else_takes_the_permission_for_payloads(client, owner):
    staff = User.objects.create_user("stefan", is_staff=True)
    address = reverse("report-pdf", args=[finished_run(owner).id])
    client.force_login(staff)
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")
    assert client.get(address, headers={"Accept": "text/html"}).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_payloads"))
    assert client.get(address).status_code == 200


def test_the_reports_are_served_to_their_owner(api, owner):
    run = finished_run(owner)
    pdf = api.get(reverse("report-pdf", args=[run.id]))
    assert (pdf.status_code, pdf.content, pdf["Content-Type"]) == (200, b"%PDF-report", "application/pdf")
    assert pdf["Content-Disposition"] == "attachment; filename*=utf-8''Mietvertrag%20Z%C3%BCrich-report.pdf"
    html = api.get(reverse("report-html", args=[run.id]))
    assert (html.content, html["Content-Type"]) == (b"<p>report</p>", "text/html; charset=utf-8")
    assert "sandbox" in html["Content-Security-Policy"]
    assert "script" not in html["Content-Security-Policy"]
    assert html["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in html["Cache-Control"]


def test_the_address_is_below_the_page_of_the_run(owner):
    run = run_of(owner)
    assert reverse("report-pdf", args=[run.id]) == f"/runs/{run.id}/report.pdf"


def test_staff_may_read_it_and_a_stranger_finds_nothing(owner, stranger, operator):
    run = finished_run(owner)
    address = reverse("report-html", args=[run.id])
    for user, status in ((operator, 200), (stranger, 404)):
        client = Client()
        client.force_login(user)
        assert client.get(address).status_code == status
    assert Client().get(address, **basic("anna", "anna-password")).status_code == 200


def test_who_is_not_signed_in_is_asked_to_in_the_fitting_way(owner):
    address = reverse("report-html", args=[finished_run(owner).id])
    page = Client().get(address, HTTP_ACCEPT="text/html")
    assert (page.status_code, page["Location"]) == (302, f"/login/?next={address}")
    answer = Client().get(address)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert Client().get(address, **basic("anna", "wrong")).status_code == 401


def test_a_report_that_is_not_written_yet_says_so(api, owner):
    run = run_of(owner)
    answer = api.get(reverse("report-pdf", args=[run.id]))
    assert (answer.status_code, answer.json()["code"]) == (409, "run-not-finished")
    assert answer["Retry-After"]


def test_the_report_of_a_failed_run_is_not_promised(api, owner):
    run = run_of(owner, state=RunState.FAILED)
    answer = api.get(reverse("report-pdf", args=[run.id]))
    assert answer.json()["detail"] == "The run is failed, and its report was not written."
    assert "Retry-After" not in answer


def test_a_report_whose_file_is_gone_is_absent(api, owner, storage):
    run = finished_run(owner)
    (storage / f"runs/{run.id}/write_report/1.pdf").unlink()
    answer = api.get(reverse("report-pdf", args=[run.id]))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_a_run_of_another_workflow_has_no_report(api, owner):
    assert api.get(reverse("report-pdf", args=[make_run(owner).id])).status_code == 404


def test_a_report_is_only_read(api, owner):
    assert api.post(reverse("report-pdf", args=[finished_run(owner).id])).status_code == 405
