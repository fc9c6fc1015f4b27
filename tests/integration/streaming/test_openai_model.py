"""The OpenAI-compatible client against a real server that answers."""

import logging
import threading
import traceback

import pytest
from pydantic import SecretStr

from streaming.llm import Chunk, Finish, ModelUnavailable, Prompt, Usage, get_model
from streaming.llm.openai import OpenAIModel
from streaming.llm.patience import Patience
from tests.integration.streaming.asking import KEY, PROMPT, failure
from tests.integration.streaming.chat_server import (
    DEADLINE_SECONDS,
    DONE,
    answers,
    delta,
    event,
    fails,
    greeting,
    usage,
)


def test_an_answer_comes_as_chunks_with_usage_and_reason(model, chat_server):
    answers(
        chat_server,
        greeting(),
        delta(content='{"a'),
        delta(content='":1}\n'),
        delta("stop"),
        usage(11, 5),
        DONE,
    )

    assert list(model.stream(PROMPT)) == [
        Chunk('{"a'),
        Chunk('":1}\n'),
        Finish("stop", Usage(tokens_in=11, tokens_out=5)),
    ]


@pytest.mark.parametrize(("details", "cached"), [({"cached_tokens": 8}, 8), ({}, 0), (None, 0), (7, 0)])
def test_what_the_provider_had_read_before_is_told_where_it_says_so(model, chat_server, details, cached):
    counts = {"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": details}
    answers(chat_server, delta("stop"), event(choices=[], usage=counts), DONE)

    (finish,) = model.stream(PROMPT)
    assert finish.usage == Usage(tokens_in=11, tokens_out=5, tokens_cached=cached)


def test_the_request_carries_model_messages_and_key(model, chat_server):
    answers(chat_server, delta("stop"), DONE)

    list(model.stream(PROMPT))

    (asked,) = chat_server.requests
    assert asked == {
        "path": "/v1/chat/completions",
        "model": "small",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "[page 1]\nThe rent is 900 €."},
        ],
    }
    assert chat_server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_what_is_done_is_told_in_a_message_of_its_own(model, chat_server):
    answers(chat_server, delta("stop"), DONE)

    list(model.stream(Prompt(system="s", text="t", done=({"a": "ä"}, {"b": None}))))

    *_, told = chat_server.requests[0]["messages"]
    assert told["role"] == "user"
    assert "go on with those that come after" in told["content"]
    assert told["content"].endswith('\n{"a":"ä"}\n{"b":null}\n')


def test_a_server_without_keys_gets_no_authorization(chat_server):
    answers(chat_server, delta("stop"), DONE)

    list(OpenAIModel(name="small", base_url=chat_server.base_url, include_usage=False).stream(PROMPT))

    assert "authorization" not in chat_server.headers[0]
    assert "stream_options" not in chat_server.requests[0]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", "stop"),
        ("eos_token", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "unknown"),
        ("a word of the future", "unknown"),
    ],
)
def test_reasons_are_put_into_our_words(model, chat_server, told, reason):
    answers(chat_server, delta(content="x"), delta(told), DONE)

    assert list(model.stream(PROMPT))[-1] == Finish(reason, Usage())


@pytest.mark.parametrize("end", ["proper", "cut"])
@pytest.mark.parametrize("last", [(), (DONE,)], ids=["no end marker", "end marker"])
def test_an_answer_that_ends_without_a_reason_ends_unknown(model, chat_server, last, end):
    answers(chat_server, delta(content='{"a":1}\n{"b'), *last, end=end)

    assert list(model.stream(PROMPT)) == [Chunk('{"a":1}\n{"b'), Finish("unknown", Usage())]


def test_a_line_cut_after_the_reason_loses_nothing(model, chat_server):
    answers(chat_server, delta(content="x"), delta("stop"), end="cut")

    assert list(model.stream(PROMPT)) == [Chunk("x"), Finish("stop", Usage())]


def test_a_line_cut_before_the_first_word_is_worth_another_try(model, chat_server):
    answers(chat_server, greeting(), end="cut")

    assert isinstance(failure(model), ModelUnavailable)


def test_chunks_without_words_are_not_given_on(model, chat_server):
    odd = (
        event(choices=None),
        event(choices=[{"index": 0, "delta": None, "finish_reason": None}]),
        ": comment\n\n",
    )
    answers(chat_server, greeting(), *odd, delta(content=None), delta(content="x"), delta("stop"), DONE)

    assert list(model.stream(PROMPT)) == [Chunk("x"), Finish("stop", Usage())]


def test_closing_the_answer_closes_the_connection(model, chat_server):
    answers(chat_server, delta(content="x"), end="hang")
    stream = model.stream(PROMPT)
    next(stream)

    assert not chat_server.client_left.is_set()
    stream.close()

    assert chat_server.client_left.wait(DEADLINE_SECONDS)
    assert "model-watch" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("status", [200, 401, 500])
def test_the_key_shows_in_no_log_repr_or_traceback(model, chat_server, caplog, status):
    caplog.set_level(logging.DEBUG)
    fails(chat_server, status, {"message": f"Incorrect API key provided: {KEY}", "code": KEY + " "})

    error = failure(model)

    shown = "".join(traceback.format_exception(error)) + caplog.text + repr(model) + str(error)
    assert KEY not in shown


def test_the_settings_choose_server_model_and_patience(chat_server, settings):
    answers(chat_server, delta(content="x"), delta("stop"), DONE)
    settings.LONGHAUL = {
        "MODEL_PROVIDER": "openai",
        "MODEL_BASE_URL": chat_server.base_url,
        "MODEL_NAME": "large",
        "MODEL_API_KEY": KEY,
        "MODEL_CONNECT_TIMEOUT_SECONDS": "1",
        "MODEL_FIRST_TOKEN_TIMEOUT_SECONDS": "3",
        "MODEL_IDLE_TIMEOUT_SECONDS": "2",
        "MODEL_INCLUDE_USAGE": "false",
        "MODEL_MAX_RETRY_AFTER_SECONDS": "60",
    }

    chosen = get_model()

    assert chosen == OpenAIModel(
        name="large",
        base_url=chat_server.base_url,
        api_key=SecretStr(KEY),
        patience=Patience(connect_seconds=1, first_token_seconds=3, idle_seconds=2),
        include_usage=False,
        max_retry_after_seconds=60,
    )
    assert list(chosen.stream(PROMPT)) == [Chunk("x"), Finish("stop", Usage())]
    assert chat_server.requests[0]["model"] == "large"
