"""The home page: a form that works without scripts, and the reader's own runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.factories import make_run
from workflows.models import Run
from workflows.states import RunState, StepState

LETTER = b"The rent is EUR 100.00 per month. It is due on 1 March 2026."


@pytest.fixture
def home(client: Client, owner: User) -> Any:
    client.force_login(owner)

    def send(content: bytes | None = None, name: str = "letter.txt") -> Any:
        if content is None:
            return client.get(reverse("home"))
        return client.post(reverse("home"), {"file": SimpleUploadedFile(name, content)})

    return send


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", str(answer.content, "utf-8")))


def test_a_document_that_is_handed_in_becomes_a_run_of_its_own_page(home: Any, owner: User) -> None:
    answer = home(LETTER)

    run = Run.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("run-page", args=[run.id])
    assert (run.owner, run.title) == (owner, "Analysis of letter.txt")


def test_the_run_joins_the_trace_of_the_request(client: Client, owner: User) -> None:
    client.force_login(owner)
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    client.post(reverse("home"), {"file": SimpleUploadedFile("letter.txt", LETTER)}, headers=headers)
    assert Run.objects.get().trace.trace_id == trace_id


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"", 422, "The file is empty."),
        (b"MZ\x90\x00" + bytes(200), 415, "Send a PDF, a PNG or JPEG picture"),
    ],
)
def test_a_document_that_is_refused_says_why_and_leaves_nothing(
    home: Any, content: bytes, status: int, sentence: str
) -> None:
    answer = home(content)

    assert answer.status_code == status
    assert sentence in text_of(answer)
    assert 'role="alert"' in str(answer.content)
    assert not Run.objects.exists()


def test_a_form_without_a_file_is_answered_by_the_form(client: Client, owner: User) -> None:
    client.force_login(owner)
    answer = client.post(reverse("home"), {})
    assert answer.status_code == 422
    assert "Choose a document first." in text_of(answer)


def test_a_document_that_is_too_large_is_refused_with_the_limit(home: Any, settings: Any) -> None:
    settings.LONGHAUL = {"UPLOAD_MAX_BYTES": "1000"}
    answer = home(b"a" * 1_001)
    assert answer.status_code == 413
    assert "larger than 0.001 MB" in text_of(answer)


def test_an_upload_whose_run_cannot_be_started_is_not_kept(
    home: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MEDIA_ROOT = tmp_path

    def fail(*_: Any, **__: Any) -> None:
        assert [path.read_bytes() for path in tmp_path.rglob("*.txt")] == [LETTER]
        raise RuntimeError("no database")

    monkeypatch.setattr("documents.starting.start", fail)
    with pytest.raises(RuntimeError):
        home(LETTER)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_list_has_the_readers_own_runs_newest_first(home: Any, owner: User, stranger: User) -> None:
    make_run(owner, title="Analysis of a", state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)
    make_run(owner, title="Analysis of b", steps=(StepState.COMPLETED, StepState.RUNNING))
    make_run(stranger, title="Analysis of c")

    text = text_of(home())

    assert text.index("Analysis of b") < text.index("Analysis of a")
    assert "Running · Listing" in text
    assert "Analysis of c" not in text


def test_staff_find_their_own_runs_here_not_everybodys(client: Client, owner: User, operator: User) -> None:
    make_run(owner, title="Analysis of a")
    client.force_login(operator)
    assert "None yet." in text_of(client.get(reverse("home")))


def test_older_runs_are_a_page_further(home: Any, client: Client, owner: User, settings: Any) -> None:
    settings.LONGHAUL = {"PAGE_SIZE": "2"}
    for name in "abc":
        make_run(owner, title=f"Analysis of {name}")

    first = home()
    older = re.search(r'href="(\?cursor=[^"]+)"', str(first.content, "utf-8"))
    assert older is not None
    second = client.get(reverse("home") + older[1])

    assert "Analysis of a" not in text_of(first)
    assert "Analysis of a" in text_of(second)
    assert "Older runs" not in text_of(second)


def test_a_mistyped_cursor_shows_the_newest_runs(client: Client, owner: User) -> None:
    client.force_login(owner)
    make_run(owner, title="Analysis of a")
    assert "Analysis of a" in text_of(client.get(reverse("home") + "?cursor=nonsense"))


def test_the_form_takes_nothing_from_another_site(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    answer = client.post(reverse("home"), {"file": SimpleUploadedFile("letter.txt", LETTER)})
    assert answer.status_code == 403
    assert "Nothing was done." in text_of(answer)
    assert not Run.objects.exists()


def test_who_is_not_signed_in_is_asked_to(client: Client, db: None) -> None:
    answer = client.get(reverse("home"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("login"))
    assert "Sign in" in text_of(client.get(answer["Location"]))


def test_signing_in_with_the_wrong_password_says_so(client: Client, owner: User) -> None:
    answer = client.post(reverse("login"), {"username": "anna", "password": "wrong"})
    assert "correct username and password" in text_of(answer)
    assert 'role="alert"' in str(answer.content)
