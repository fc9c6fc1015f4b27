"""The OpenAI-compatible client against a real server that is silent."""

import threading
import time

import pytest

from streaming.llm import Chunk, Finish, ModelUnavailable, Usage
from tests.integration.streaming.asking import PROMPT, STEADY, failure
from tests.integration.streaming.chat_server import DEADLINE_SECONDS, DONE, answers, delta, greeting


def test_a_server_that_does_not_begin_to_answer_is_given_up(hasty, chat_server):
    chat_server.answer = lambda chat: chat.hang()

    assert "did not answer in time" in str(failure(hasty))


def test_a_server_that_never_comes_to_the_end_of_its_headers_is_given_up(hasty, chat_server):
    def answer(chat):
        chat.send_response(200)
        chat.flush_headers()
        for _ in range(DEADLINE_SECONDS * 5):
            chat.wfile.write(b"X-Still: here\r\n")  # each a sign of life for the socket's own time-out
            if chat.server.is_over.wait(0.2):
                break

    chat_server.answer = answer
    begun = time.monotonic()

    assert "did not answer in time" in str(failure(hasty))
    assert time.monotonic() - begun < DEADLINE_SECONDS / 2


@pytest.mark.parametrize("sign", ["", ": still here\n\n", delta(role="assistant", content="")])
def test_a_model_that_says_no_first_word_is_given_up_whatever_keeps_the_line_open(hasty, chat_server, sign):
    def answer(chat):
        chat.begin()
        chat.say(greeting())
        chat.hang(repeat=sign)

    chat_server.answer = answer
    error = failure(hasty)

    assert isinstance(error, ModelUnavailable)
    assert "said nothing for 1 seconds before its first word" in str(error)
    assert chat_server.client_left.wait(DEADLINE_SECONDS)


@pytest.mark.parametrize("sign", ["", ": still here\n\n", delta(content="")])
def test_a_model_that_falls_silent_is_given_up_whatever_keeps_the_line_open(hasty, chat_server, sign):
    def answer(chat):
        chat.begin()
        chat.say(greeting(), delta(content='{"a":1}\n'))
        chat.hang(repeat=sign)

    chat_server.answer = answer
    stream = hasty.stream(PROMPT)

    assert next(stream) == Chunk('{"a":1}\n')
    with pytest.raises(ModelUnavailable, match=r"said nothing for 0\.5 seconds in the middle of its answer"):
        next(stream)
    assert chat_server.client_left.wait(DEADLINE_SECONDS)


def test_a_model_that_thinks_aloud_is_not_silent(steady, chat_server):
    go_on = threading.Event()
    thoughts = iter(range(10))

    def answer(chat):
        chat.begin()
        # Ten pauses, each within patience, together far beyond it.
        while next(thoughts, None) is not None:
            chat.say(delta(reasoning_content="hm"))
            go_on.wait(0.3)
        chat.say(delta(content="x"), delta("stop"), DONE)
        chat.end()

    chat_server.answer = answer

    assert list(steady.stream(PROMPT)) == [Chunk("x"), Finish("stop", Usage())]


def test_a_server_that_hangs_after_the_reason_does_not_spoil_the_answer(steady, chat_server):
    answers(chat_server, delta(content="x"), delta("stop"), end="hang")

    assert list(steady.stream(PROMPT)) == [Chunk("x"), Finish("stop", Usage())]


def test_the_time_that_the_caller_takes_is_not_the_models(steady, chat_server):
    answers(chat_server, delta(content="x"), delta(content="y"), delta("stop"), DONE)
    stream = steady.stream(PROMPT)

    assert next(stream) == Chunk("x")
    threading.Event().wait(STEADY.idle_seconds * 1.5)  # the caller works

    assert list(stream) == [Chunk("y"), Finish("stop", Usage())]
