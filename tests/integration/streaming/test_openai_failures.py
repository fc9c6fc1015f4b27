"""The OpenAI-compatible client against a real server that fails."""

import shutil
import socket
import ssl
import subprocess
import time
import traceback
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest
from pydantic import SecretStr

from streaming.llm import Chunk, ModelError, ModelRefused, ModelUnavailable
from streaming.llm.openai import OpenAIModel
from streaming.llm.openai_line import explain_line
from tests.integration.streaming.asking import KEY, PROMPT, failure
from tests.integration.streaming.chat_server import DONE, answers, delta, event, fails, greeting


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a provider answers, and what it means for us. `wait`: seconds that it asks for."""

    status: int
    error: object = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: type[ModelError] = ModelRefused
    wait: float | None = None
    says: str = ""


def later(status: int, says: str, *, wait: float | None = None, error: object = None, **headers: str) -> Case:
    return Case(status=status, error=error, headers=headers, kind=ModelUnavailable, wait=wait, says=says)


def never(status: int, says: str, *, error: object = None, **fields: object) -> Case:
    return Case(status=status, error=error or fields or None, says=says)


OVERLOADED, OWN_TROUBLE = "is overloaded or limits our requests", "has a problem of its own"
TOO_LONG, FILTER, NO_CREDIT = "text is too long", "A content filter", "no credit left"

# The mapping: each row is what some provider says, hosted or local.
CASES = {
    "too many requests": later(429, OVERLOADED),
    "too many requests, a wait in seconds": later(429, OVERLOADED, wait=7, Retry_After="7"),
    "too many requests, a wait in milliseconds": later(429, OVERLOADED, wait=0.25, retry_after_ms="250"),
    "too many requests, a wait beyond reason": later(429, OVERLOADED, wait=3_600, Retry_After="99999"),
    "too many requests, a date that has passed": later(
        429, OVERLOADED, wait=0, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"
    ),
    "too many requests, a wait in words": later(429, OVERLOADED, Retry_After="soon"),
    "Anthropic is overloaded": later(529, OVERLOADED, error={"type": "overloaded_error"}),
    "maintenance with a wait": later(503, OWN_TROUBLE, wait=30, Retry_After="30"),
    "time-out of a gateway": later(408, OWN_TROUBLE),
    "conflict": later(409, OWN_TROUBLE),
    "too early": later(425, OWN_TROUBLE),
    "server error": later(500, OWN_TROUBLE),
    "bad gateway": later(502, OWN_TROUBLE),
    "gateway time-out": later(504, OWN_TROUBLE),
    "wrong key": never(401, "Check LONGHAUL_MODEL_API_KEY", code="invalid_api_key"),
    "key without the right": never(403, "what the key in LONGHAUL_MODEL_API_KEY may do"),
    "country without the service": never(403, "and where", code="unsupported_country_region_territory"),
    "no such model": never(
        404, "Check LONGHAUL_MODEL_BASE_URL and LONGHAUL_MODEL_NAME", code="model_not_found"
    ),
    "no credit at OpenAI": never(429, NO_CREDIT, code="insufficient_quota"),
    "no credit, by status": never(402, NO_CREDIT),
    "no credit at DeepSeek, in words": never(400, NO_CREDIT, message="Insufficient Balance"),
    "too long for OpenAI": never(400, TOO_LONG, code="context_length_exceeded"),
    "too long for vLLM, whose code is a number": never(
        400, TOO_LONG, message="This model's maximum context length is 4096 tokens.", code=400
    ),
    "too long for llama.cpp": never(400, TOO_LONG, type="exceed_context_size_error", code=400),
    "too long for Anthropic": never(400, TOO_LONG, message="prompt is too long: 210000 tokens > 200000"),
    "too long for a proxy": never(413, TOO_LONG),
    "filtered by Azure": never(400, FILTER, code="content_filter", param="prompt"),
    "filtered by OpenRouter": never(403, FILTER, message="Input was flagged by moderation"),
    "a plain refusal": never(400, "refused the request"),
    "a refusal as bare text": never(400, "refused the request", error="no idea"),
    "a refusal of FastAPI": never(422, "refused the request"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_provider_says_is_told_in_our_words(model, chat_server, name):
    case = CASES[name]
    fails(chat_server, case.status, case.error, x_request_id="req_7", **case.headers)

    error = failure(model)

    assert type(error) is case.kind
    assert case.says in str(error)
    assert getattr(error, "retry_after_seconds", None) == case.wait
    assert f"127.0.0.1:{chat_server.server_port}" in str(error)
    assert f"HTTP {case.status}" in str(error)
    assert "request req_7" in str(error)
    assert len(chat_server.requests) == 1  # we retry, the SDK does not


def test_a_wait_until_a_date_is_told_in_seconds(model, chat_server):
    fails(chat_server, 429, Retry_After=formatdate(time.time() + 60, usegmt=True))

    error = failure(model)

    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_seconds == pytest.approx(58, abs=5)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_the_providers_own_words_are_never_given_on(model, chat_server, status):
    fails(chat_server, status, {"message": f"{KEY} was not accepted for {PROMPT.text}", "code": f"a {KEY}"})

    shown = "".join(traceback.format_exception(failure(model)))

    assert KEY not in shown
    assert PROMPT.text not in shown


def test_words_of_the_prompt_far_down_in_an_error_decide_nothing(model, chat_server):
    fails(chat_server, 400, {"message": "Bad request: " + "x" * 500 + " maximum context length"})

    assert "refused the request" in str(failure(model))


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        ({"message": "broken", "code": "server_error"}, ModelUnavailable, "broke off its answer"),
        ({"message": "broken", "code": 502}, ModelUnavailable, "code 502"),
        ({"message": "maximum context length is 4096"}, ModelRefused, TOO_LONG),
        ({"message": "no", "code": "content_filter"}, ModelRefused, FILTER),
    ],
)
def test_an_error_inside_the_stream_is_judged_by_its_words(model, chat_server, error, kind, says):
    answers(chat_server, delta(content="x"), event(error=error))

    caught = failure(model)

    assert type(caught) is kind
    assert says in str(caught)


def test_an_error_inside_the_stream_is_not_taken_for_text(model, chat_server):
    answers(
        chat_server, delta(content="x"), event(error={"message": f"{KEY} is broken", "code": "server_error"})
    )

    stream = model.stream(PROMPT)

    assert next(stream) == Chunk("x")
    with pytest.raises(ModelUnavailable, match="broke off its answer with an error, code server_error"):
        next(stream)


def test_a_stream_of_something_else_is_said_to_be_that(model, chat_server):
    answers(chat_server, "data: <html>\n\n")

    assert "not a stream of chat completions" in str(failure(model))


@pytest.mark.parametrize("content_type", ["text/html", "application/json; charset=utf-8"])
def test_a_page_instead_of_a_stream_is_refused(model, chat_server, content_type):
    def answer(chat):
        chat.begin(content_type)
        chat.say("<html>Welcome</html>")
        chat.end()

    chat_server.answer = answer
    error = failure(model)

    assert isinstance(error, ModelRefused)
    assert "Check LONGHAUL_MODEL_BASE_URL" in str(error)


def test_a_model_that_declines_is_a_refusal(model, chat_server):
    answers(chat_server, greeting(), delta(refusal="I cannot"), delta("stop"), DONE)

    assert "declined" in str(failure(model))


def test_a_server_that_is_not_there_is_worth_another_try(unused_tcp_port):
    error = failure(OpenAIModel(name="small", base_url=f"http://127.0.0.1:{unused_tcp_port}/v1"))

    assert isinstance(error, ModelUnavailable)
    assert f"Nothing listens at the model provider's address 127.0.0.1:{unused_tcp_port}" in str(error)


def test_a_name_that_is_not_found_is_worth_another_try(monkeypatch):
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    error = failure(OpenAIModel(name="small", base_url="http://models.invalid/v1"))

    assert isinstance(error, ModelUnavailable)
    assert "The name of the model provider at models.invalid was not found" in str(error)


def test_a_plain_server_behind_an_https_address_is_told_apart(chat_server):
    error = failure(OpenAIModel(name="small", base_url=f"https://127.0.0.1:{chat_server.server_port}/v1"))

    assert isinstance(error, ModelRefused)
    assert "MODEL_BASE_URL may have to begin with http://" in str(error)


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_key_is_sent(chat_server, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own_certificate(tmp_path))
    chat_server.socket = context.wrap_socket(
        chat_server.socket, server_side=True, do_handshake_on_connect=False
    )
    url = f"https://127.0.0.1:{chat_server.server_port}/v1"

    error = failure(OpenAIModel(name="small", base_url=url, api_key=SecretStr(KEY)))

    assert isinstance(error, ModelRefused)
    assert "certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error)
    assert chat_server.headers == []


def own_certificate(folder: Path) -> tuple[Path, Path]:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = folder / "own.pem", folder / "key.pem"
    make = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [program, *make.split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), OSError("no route")])
def test_a_line_that_breaks_is_worth_another_try(error):
    assert isinstance(explain_line(error, host="models"), ModelUnavailable)
