"""Whatever is handed in: a clear answer or a failed run with a sentence, nothing hangs, no worker dies."""

import pytest

from tests.acceptance.stack import SAMPLE, Stack
from tests.integration.documents import builders

pytestmark = pytest.mark.acceptance

EXECUTABLE = b"\x7fELF\x02\x01\x01" + b"\x00" * 2_000

REFUSED = {
    "an empty file": (b"", "empty.pdf", 422, "empty-file"),
    "a renamed executable": (EXECUTABLE, "contract.pdf", 415, "unsupported-type"),
    "a truncated PDF": (SAMPLE.read_bytes()[:3_000], "cut.pdf", 422, "damaged-document"),
    "a truncated picture": (builders.encoded(builders.picture())[:4_000], "cut.png", 422, "damaged-document"),
    "a PDF without pages": (builders.pdf_without_pages(), "none.pdf", 422, "no-pages"),
    "an encrypted PDF": (
        builders.pdf(["A lease."], password="secret"),
        "locked.pdf",
        422,
        "encrypted-document",
    ),
    "a file of 60 MB": (b"%PDF-1.7\n" + b"x" * 60_000_000, "huge.pdf", 413, "payload-too-large"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_document_that_cannot_be_read_is_refused_with_a_sentence(stack: Stack, what: str) -> None:
    content, name, status, code = REFUSED[what]
    before = {process.pid for process in stack.pids("worker") + stack.pids("web")}

    answer = stack.upload(content, name)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"].endswith(".")
    assert before <= {process.pid for process in stack.pids("worker") + stack.pids("web")}


def test_a_text_with_nul_and_broken_utf8_is_analysed_with_a_warning(stack: Stack) -> None:
    text = b"The Tenant shall pay EUR 2,000.00 by 1 March 2027.\x00 Caf" + b"\xe9 and \xff\xfe more.\n" * 3
    answer = stack.upload(text, "notes.txt")
    assert answer.status_code == 202, answer.text
    run = answer.json()["id"]

    snapshot = stack.wait_until_finished(run)

    assert snapshot["state"] == "completed", snapshot
    log = stack.log(run)
    values = [event["data"]["value"] for event in log if event["type"] == "item.committed"]
    assert any(value["kind"] == "amount" for value in values)
    said = [event["data"]["params"] for event in log if event["type"] == "message"]
    assert any("warning" in params for params in said), "nobody was told that characters were replaced"


def test_a_blank_page_ends_as_a_failed_run_with_a_sentence_and_an_operator_may_retry_it(stack: Stack) -> None:
    run = stack.upload(builders.pdf([""]), "blank.pdf").json()["id"]
    snapshot = stack.wait_until_finished(run)
    assert snapshot["state"] == "failed"
    assert snapshot["error"]["code"] == "no-text"
    assert snapshot["state_info"].startswith("No text could be read")
    assert snapshot["allowed_actions"] == [], "its owner may only look"
    operators = stack.snapshot(run, as_operator=True)
    assert operators["allowed_actions"] == ["retry", "rerun", "skip", "erase"]
