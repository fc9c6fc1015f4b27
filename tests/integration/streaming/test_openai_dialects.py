"""What the OpenAI-compatible client asks for beyond plain chat: structured output, and going on with an answer."""

from dataclasses import replace

import pytest
from pydantic import BaseModel, SecretStr

from streaming.llm import Chunk, Finish, ModelRefused, Prompt, Usage, get_model
from streaming.llm.openai import OpenAIModel
from streaming.llm.openai_request import Dialect
from tests.integration.streaming.asking import KEY
from tests.integration.streaming.chat_server import DONE, answers, delta, fails


class Answer(BaseModel):
    sentence: str
    pages: list[int] = []


LINES = Prompt(system="Be brief.", text="The rent is 900 €.", done=({"a": "ä"}, {"b": None}))
DOCUMENT = Prompt(system="Be brief.", text="The rent is 900 €.", schema=Answer.model_json_schema())


def asking(chat_server, **dialect) -> OpenAIModel:
    return OpenAIModel(
        name="small",
        base_url=chat_server.base_url,
        api_key=SecretStr(KEY),
        dialect=Dialect(**dialect),
    )


def asked(chat_server, prompt: Prompt, **dialect) -> dict:
    """The request that a prompt makes of a server which answers properly."""
    answers(chat_server, delta(content="x"), delta("stop"), DONE)
    parts = list(asking(chat_server, **dialect).stream(prompt))
    assert parts == [Chunk("x"), Finish("stop", Usage())]
    return chat_server.requests[-1]


def refusal(chat_server, prompt: Prompt, **dialect) -> str:
    with pytest.raises(ModelRefused) as caught:
        list(asking(chat_server, **dialect).stream(prompt))
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_a_document_is_held_to_its_schema_where_the_server_can(chat_server):
    assert asked(chat_server, DOCUMENT, structured_output="json_schema")["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "Answer",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {
                    "sentence": {"type": "string"},
                    "pages": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["sentence", "pages"],
                "additionalProperties": False,
            },
        },
    }


def test_a_document_may_be_held_to_being_json_only(chat_server):
    request = asked(chat_server, DOCUMENT, structured_output="json_object")

    assert request["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("mode", ["off", "json_object", "json_schema"])
def test_lines_are_never_held_to_a_document(chat_server, mode):
    assert "response_format" not in asked(chat_server, LINES, structured_output=mode)


def test_nothing_is_held_to_anything_unless_the_settings_say_so(chat_server):
    assert "response_format" not in asked(chat_server, DOCUMENT)


@pytest.mark.parametrize(
    ("prefill", "mark", "members"),
    [
        ("assistant", {}, {}),
        ("prefix", {"prefix": True}, {}),
        ("continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
def test_an_interrupted_answer_is_gone_on_with_in_the_servers_own_way(chat_server, prefill, mark, members):
    request = asked(chat_server, LINES, prefill=prefill)

    assert request["messages"][1:] == [
        {"role": "user", "content": LINES.text},
        {"role": "assistant", "content": '{"a":"ä"}\n{"b":null}', **mark},
    ]
    plain = {"path", "model", "messages", "stream", "stream_options"}
    assert {name: value for name, value in request.items() if name not in plain} == members


@pytest.mark.parametrize(
    "prompt",
    [replace(LINES, done=()), replace(DOCUMENT, done=LINES.done)],
    ids=["nothing done", "a document"],
)
def test_there_is_no_beginning_to_go_on_with(chat_server, prompt):
    request = asked(chat_server, prompt, prefill="continue_final_message")

    assert request["messages"][-1]["role"] == "user"
    assert "continue_final_message" not in request


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "Invalid schema for response_format 'Answer'", "param": "response_format"}),
        (400, {"message": "This response_format type is unavailable now", "code": "invalid_request_error"}),
        (400, "'response_format.type' must be 'json_schema'"),
        (404, {"message": "No endpoints found that support structured outputs"}),
        (422, {"message": "json_schema: extra fields not permitted"}),
    ],
)
def test_a_server_that_takes_no_schema_is_told_apart(chat_server, status, error):
    fails(chat_server, status, error)

    sentence = refusal(chat_server, DOCUMENT, structured_output="json_schema")

    assert "Set LONGHAUL_MODEL_STRUCTURED_OUTPUT to json_object or off" in sentence
    assert "MODEL_STRUCTURED_OUTPUT" not in refusal(chat_server, DOCUMENT)  # it was not asked


@pytest.mark.parametrize(
    "message",
    [
        "Assistant response prefill is incompatible with enable_thinking.",
        "This model does not support assistant message prefill.",
        "Extra inputs are not permitted: continue_final_message",
        "The last message must be from the user",
    ],
)
def test_a_server_that_takes_no_beginning_is_told_apart(chat_server, message):
    fails(chat_server, 400, {"message": message})

    assert "Set LONGHAUL_MODEL_PREFILL to none" in refusal(chat_server, LINES, prefill="assistant")
    assert "MODEL_PREFILL" not in refusal(chat_server, replace(LINES, done=()), prefill="assistant")


def test_a_refusal_without_words_names_what_was_asked_beyond_plain_chat(chat_server):
    fails(chat_server, 400, {"message": "Bad Request"})

    sentence = refusal(chat_server, DOCUMENT, structured_output="json_object")

    assert "Check LONGHAUL_MODEL_NAME and its abilities and LONGHAUL_MODEL_STRUCTURED_OUTPUT" in sentence


def test_the_settings_choose_the_dialect(settings):
    settings.LONGHAUL = {
        "MODEL_PROVIDER": "openai",
        "MODEL_NAME": "large",
        "MODEL_STRUCTURED_OUTPUT": "json_schema",
        "MODEL_PREFILL": "prefix",
    }

    chosen = get_model()

    assert isinstance(chosen, OpenAIModel)
    assert chosen.dialect == Dialect(structured_output="json_schema", prefill="prefix")
