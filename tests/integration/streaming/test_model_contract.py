"""What every model promises, whoever writes behind it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from streaming.llm import (
    Chunk,
    Finish,
    Model,
    ModelUnavailable,
    OfflineModel,
    Pace,
    Prompt,
    RecordedModel,
    RecordingModel,
)
from streaming.llm.openai import OpenAIModel
from streaming.llm.openai_request import Dialect
from streaming.parsers import NdjsonParser
from tests.integration.streaming.asking import KEY
from tests.integration.streaming.chat_server import (
    DEADLINE_SECONDS,
    DONE,
    ChatHandler,
    ChatServer,
    answers,
    delta,
    fails,
    greeting,
    usage,
)
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


def offline() -> OfflineModel:
    return OfflineModel(lambda text: iter(OBJECTS), pace=Pace(delay_seconds=0))


@pytest.fixture
def openai_model(chat_server: ChatServer) -> Model:
    chat_server.answer = write_all
    return OpenAIModel(name="small", base_url=chat_server.base_url, api_key=SecretStr(KEY))


@pytest.fixture(
    params=["offline", "openai", "openai prefilled", "recorded", "recorded folder", "openai being recorded"]
)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    """Each of them, as the settings would make it."""
    if request.param == "offline":
        return offline()
    openai_model: OpenAIModel = request.getfixturevalue("openai_model")
    match request.param:
        case "openai":
            return openai_model
        case "openai prefilled":
            return replace(openai_model, dialect=Dialect(prefill="assistant"))
        case "openai being recorded":
            return RecordingModel(model=openai_model, folder=tmp_path)
    list(RecordingModel(model=openai_model, folder=tmp_path).stream(PROMPT))
    (file,) = tmp_path.iterdir()
    return RecordedModel(path=file if request.param == "recorded" else tmp_path, speed=0)


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

    found, _ = read(model, replace(PROMPT, done=done))

    assert found == OBJECTS[25:]


def test_all_done_is_an_empty_answer(model):
    found, parts = read(model, replace(PROMPT, done=tuple(OBJECTS)))

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


def test_a_prompt_with_a_schema_is_answered_as_well(model):
    # The recorded folder knows its prompt; a schema is no other question.
    found, _ = read(model, replace(PROMPT, schema={"type": "object"}))

    assert found == OBJECTS


def test_no_key_shows_in_what_a_model_is_called(model):
    assert KEY not in f"{model!r} {model} {model.name}"


def test_nothing_is_asked_before_the_first_part_is_wanted(openai_model, chat_server, tmp_path):
    asked: list[str] = []
    log = tmp_path / "log"
    models: list[Model] = [
        OfflineModel(lambda text: asked.append(text) or []),
        openai_model,
        RecordedModel(path=tmp_path, receipts=log),
        RecordingModel(model=openai_model, folder=tmp_path / "takes"),
    ]

    for model in models:
        model.stream(PROMPT).close()

    assert asked == chat_server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_recorded_answer_is_the_answer_chunk_for_chunk_and_holds_no_key(openai_model, tmp_path):
    parts = list(RecordingModel(model=openai_model, folder=tmp_path).stream(PROMPT))

    (file,) = tmp_path.iterdir()
    assert list(RecordedModel(path=file, speed=0).stream(PROMPT)) == parts
    assert KEY not in file.read_text() + file.name


def test_a_recorded_failure_is_the_failure_and_holds_no_word_of_the_provider(
    openai_model, chat_server, tmp_path
):
    fails(chat_server, 429, {"message": f"{KEY} is out of credit for {PROMPT.text}"}, Retry_After="7")
    with pytest.raises(ModelUnavailable) as first:
        list(RecordingModel(model=openai_model, folder=tmp_path).stream(PROMPT))

    with pytest.raises(ModelUnavailable) as again:
        list(RecordedModel(path=tmp_path).stream(PROMPT))

    assert (str(again.value), again.value.retry_after_seconds) == (str(first.value), 7)
    (file,) = tmp_path.iterdir()
    assert KEY not in file.read_text()
    assert "rent" not in file.read_text()


def test_closing_a_recorded_conversation_closes_the_connection(openai_model, chat_server, tmp_path):
    answers(chat_server, delta(content="x"), end="hang")
    stream = RecordingModel(model=openai_model, folder=tmp_path).stream(PROMPT)
    next(stream)

    stream.close()

    assert chat_server.client_left.wait(DEADLINE_SECONDS)
