"""A model that is silent is stopped by another thread: the connection is closed, and nobody waits on."""

import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streaming.llm import Chunk, Finish, Model, OfflineModel, Pace, RecordedModel, RecordingModel
from streaming.llm.openai import OpenAIModel
from streaming.llm.recording import save_recording
from tests.integration.streaming.asking import PROMPT
from tests.integration.streaming.chat_server import (
    DEADLINE_SECONDS,
    DONE,
    ChatServer,
    answers,
    delta,
    greeting,
    usage,
)
from tests.integration.streaming.test_openai_failures import own_certificate

SOON_SECONDS = 2.0  # promised is one; a busy machine is late
FIRST = '{"n":1}\n'
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def patient(chat_server: ChatServer) -> OpenAIModel:
    answers(chat_server, greeting(), delta(content=FIRST), end="hang")
    return OpenAIModel(name="small", base_url=chat_server.base_url)


@pytest.fixture(params=["offline", "openai", "recorded", "openai being recorded"])
def silent(request: pytest.FixtureRequest, patient: OpenAIModel, tmp_path: Path) -> Model:
    """Says the first line, and then nothing for ten minutes."""
    match request.param:
        case "offline":
            pace = Pace(min_chars=len(FIRST), max_chars=len(FIRST), delay_seconds=600)
            return OfflineModel(lambda text: [{"n": 1}, {"n": 2}], pace=pace)
        case "openai":
            return patient
        case "openai being recorded":
            return RecordingModel(model=patient, folder=tmp_path)
    parts = [FIRST, '{"n":2}\n']
    return RecordedModel(path=save_recording(tmp_path, parts, now=NOW, prompt=PROMPT, seconds_between=600))


class Listening:
    """A thread that reads a whole answer."""

    def __init__(self, model: Model) -> None:
        self.stop = threading.Event()
        self.has_begun = threading.Event()
        self.parts: list[Chunk | Finish] = []
        self.error: BaseException | None = None
        self._model = model
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for part in self._model.stream(PROMPT, stop=self.stop):
                self.parts.append(part)
                self.has_begun.set()
        except BaseException as error:
            self.error = error

    def seconds_to_end(self) -> float:
        self.stop.set()
        began = time.monotonic()
        self._thread.join(DEADLINE_SECONDS)
        return time.monotonic() - began


def watches() -> int:
    return sum(thread.name == "model-watch" for thread in threading.enumerate())


def test_a_silent_model_ends_at_once_without_a_finish_or_an_error(silent):
    listening = Listening(silent)
    assert listening.has_begun.wait(DEADLINE_SECONDS)

    assert listening.seconds_to_end() < SOON_SECONDS
    assert (listening.parts, listening.error) == ([Chunk(FIRST)], None)
    assert watches() == 0


@pytest.mark.parametrize(
    ("begins", "sign"), [(False, ""), (True, ""), (True, ": still here\n\n"), (True, delta(content=""))]
)
def test_the_connection_is_closed_wherever_the_server_is_silent(patient, chat_server, begins, sign):
    is_asked = threading.Event()

    def answer(chat):
        is_asked.set()
        if begins:
            chat.begin()
        chat.hang(repeat=sign)

    chat_server.answer = answer
    listening = Listening(patient)
    assert is_asked.wait(DEADLINE_SECONDS)

    assert listening.seconds_to_end() < SOON_SECONDS
    assert chat_server.client_left.wait(SOON_SECONDS)
    assert (listening.parts, listening.error) == ([], None)


def test_the_connection_is_closed_while_the_caller_works_on_what_it_got(patient, chat_server):
    stop = threading.Event()
    stream = patient.stream(PROMPT, stop=stop)
    assert next(stream) == Chunk(FIRST)

    stop.set()

    assert chat_server.client_left.wait(SOON_SECONDS)
    assert list(stream) == []


def test_what_is_stopped_before_it_began_is_not_asked(silent, chat_server):
    stop = threading.Event()
    stop.set()

    assert list(silent.stream(PROMPT, stop=stop)) == []
    assert chat_server.requests == []


def test_a_stop_after_the_reason_does_not_spoil_the_answer(patient, chat_server):
    answers(chat_server, delta(content="x"), delta(finish_reason="stop"), usage(3, 1), DONE)
    stop = threading.Event()
    parts = []
    for part in patient.stream(PROMPT, stop=stop):
        parts.append(part)
        if isinstance(part, Finish):
            stop.set()

    assert [type(part) for part in parts] == [Chunk, Finish]


def test_an_answer_may_be_read_by_one_thread_after_another(patient, chat_server):
    answers(chat_server, *(delta(content=letter) for letter in "abc"), delta(finish_reason="stop"), DONE)
    stream, parts = patient.stream(PROMPT, stop=threading.Event()), []
    for _ in range(4):
        thread = threading.Thread(target=lambda: parts.append(next(stream)))
        thread.start()
        thread.join(DEADLINE_SECONDS)

    assert parts[:3] == [Chunk("a"), Chunk("b"), Chunk("c")]
    assert isinstance(parts[3], Finish)
    assert list(stream) == []


def test_a_connection_with_tls_is_closed_as_well(patient, chat_server, tmp_path, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = own_certificate(tmp_path)
    context.load_cert_chain(certificate, key)
    chat_server.socket = context.wrap_socket(chat_server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    listening = Listening(replace(patient, base_url=f"https://127.0.0.1:{chat_server.server_port}/v1"))
    assert listening.has_begun.wait(DEADLINE_SECONDS), listening.error

    assert listening.seconds_to_end() < SOON_SECONDS
    assert chat_server.client_left.wait(SOON_SECONDS)
    assert (listening.parts, listening.error) == ([Chunk(FIRST)], None)
