"""What every model promises, whoever writes behind it."""

import json
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from streaming.llm import Chunk, Finish, Model, OfflineModel, Pace, Prompt
from streaming.llm.openai import OpenAIModel
from streaming.parsers import NdjsonParser
from tests.integration.streaming.chat_server import DONE, ChatHandler, ChatServer, delta, greeting, usage
from tests.unit.streaming.parsers.runs import values

OBJECTS = [{"n": number, "quote": 'the "rent"\nof Müller & Söhne – 😀', "page": None} for number in range(40)]
PROMPT = Prompt(system="One object a line.", text="[page 1]\nThe rent is due.")


def write_all(chat: ChatHandler) -> None:
    """A model that does as it is told: it leaves out what the request lists as done."""
    asked = "\n".join(message["content"] for message in chat.server.requests[-1]["messages"])
    lines = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in OBJECTS]
    text = "".join(line + "\n" for line in lines if line not in asked)
    chat.begin()
    chat.say(greeting(), *(delta(content=text[start : start + 7]) for start in range(0, len(text), 7)))
    chat.say(delta(finish_reason="stop"), usage(30, 900), DONE)
    chat.end()


@pytest.fixture(params=["offline", "openai"])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    if request.param == "offline":
        yield OfflineModel(lambda text: iter(OBJECTS), pace=Pace(delay_seconds=0))
        return
    server: ChatServer = request.getfixturevalue("chat_server")
    server.answer = write_all
    yield OpenAIModel(name="small", base_url=server.base_url, api_key=SecretStr("key"))


def read(model: Model, prompt: Prompt = PROMPT) -> tuple[list[dict], list[Chunk | Finish]]:
    parser, parts = NdjsonParser(), list(model.stream(prompt))
    results = [result for part in parts if isinstance(part, Chunk) for result in parser.feed(part.text)]
    return values(results + parser.close()[0]), parts


def test_a_model_has_a_name(model):
    assert model.name


def test_an_answer_is_chunks_and_then_one_finish(model):
    _, parts = read(model)

    assert [part for part in parts if isinstance(part, Finish)] == parts[-1:]
    assert all(isinstance(part, Chunk) and part.text for part in parts[:-1])
    assert len(parts) > 100


def test_the_chunks_are_the_objects_as_lines_of_json(model):
    found, _ = read(model)

    assert found == OBJECTS


def test_the_finish_tells_reason_and_tokens(model):
    _, (*_, finish) = read(model)

    assert isinstance(finish, Finish)
    assert finish.reason == "stop"
    assert finish.usage.tokens_in > 0
    assert finish.usage.tokens_out > 0


def test_objects_that_are_done_are_not_written_again(model):
    done = tuple(OBJECTS[:25])

    found, _ = read(model, Prompt(system=PROMPT.system, text=PROMPT.text, done=done))

    assert found == OBJECTS[25:]


def test_all_done_is_an_empty_answer(model):
    found, parts = read(model, Prompt(system="", text=PROMPT.text, done=tuple(OBJECTS)))

    assert found == []
    assert isinstance(parts[-1], Finish)


def test_an_answer_may_be_closed_in_the_middle_and_asked_for_again(model):
    stream = model.stream(PROMPT)
    assert isinstance(next(stream), Chunk)
    stream.close()

    assert list(stream) == []
    assert read(model)[0] == OBJECTS


def test_two_answers_at_a_time_do_not_mix(model):
    first, second = model.stream(PROMPT), model.stream(PROMPT)
    texts: dict[str, str] = {"first": "", "second": ""}
    for one, other in zip(first, second, strict=True):
        if isinstance(one, Chunk) and isinstance(other, Chunk):
            texts["first"] += one.text
            texts["second"] += other.text

    assert texts["first"] == texts["second"]
    assert [json.loads(line) for line in texts["first"].splitlines()] == OBJECTS


def test_nothing_is_asked_before_the_first_part_is_wanted(request: pytest.FixtureRequest):
    asked: list[str] = []
    server: ChatServer = request.getfixturevalue("chat_server")
    streams: list[Callable[[], Iterator[Chunk | Finish]]] = [
        lambda: OfflineModel(lambda text: asked.append(text) or []).stream(PROMPT),
        lambda: OpenAIModel(name="small", base_url=server.base_url).stream(PROMPT),
    ]

    for stream in streams:
        stream()

    assert asked == server.requests == []
