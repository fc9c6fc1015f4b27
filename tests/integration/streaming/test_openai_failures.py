"""The OpenAI-compatible client against a real server that fails."""

import pytest

from streaming.llm import Chunk, ModelRefused, ModelUnavailable
from streaming.llm.openai import OpenAIModel
from tests.integration.streaming.asking import KEY, PROMPT, failure
from tests.integration.streaming.chat_server import DONE, answers, delta, event, fails, greeting


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_a_passing_trouble_is_worth_another_try(model, chat_server, status):
    fails(chat_server, status, x_request_id="req_7")

    error = failure(model)

    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_seconds is None
    assert f"HTTP {status}, request req_7" in str(error)
    assert len(chat_server.requests) == 1  # we retry, the SDK does not


@pytest.mark.parametrize(("told", "wait"), [("7", 7.0), ("99999", 3_600.0)])
def test_the_wait_that_the_provider_asks_for_is_told_within_reason(model, chat_server, told, wait):
    fails(chat_server, 429, Retry_After=told)

    error = failure(model)

    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_seconds == wait


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, "invalid_api_key", "MODEL_API_KEY"),
        (403, None, "MODEL_API_KEY"),
        (404, "model_not_found", "MODEL_NAME"),
        (400, "context_length_exceeded", "too long"),
        (413, None, "too long"),
        (400, None, "refused the request"),
        (422, None, "refused the request"),
        (429, "insufficient_quota", "no credit"),
    ],
)
def test_what_no_retry_mends_is_refused_with_the_way_out(model, chat_server, status, code, hint):
    fails(chat_server, status, {"message": f"{KEY} was not accepted for {PROMPT.text}", "code": code})

    error = failure(model)

    assert isinstance(error, ModelRefused)
    assert hint in str(error)
    assert f"127.0.0.1:{chat_server.server_port}" in str(error)


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
    assert "Check MODEL_BASE_URL" in str(error)


def test_a_model_that_declines_is_a_refusal(model, chat_server):
    answers(chat_server, greeting(), delta(refusal="I cannot"), delta("stop"), DONE)

    assert "declined" in str(failure(model))


def test_a_server_that_is_not_there_is_worth_another_try(unused_tcp_port):
    error = failure(OpenAIModel(name="small", base_url=f"http://127.0.0.1:{unused_tcp_port}/v1"))

    assert isinstance(error, ModelUnavailable)
    assert "could not be reached" in str(error)
