"""A step that asks for one document, from the request that a provider sees to the rows."""

import json
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from streaming.llm import Prompt, get_model
from tests.integration.streaming.chat_server import (
    DONE,
    ChatHandler,
    ChatServer,
    delta,
    running_chat_server,
    usage,
)
from workflows.definitions import Workflow, registry, step
from workflows.models import Attempt
from workflows.states import RunState

pytestmark = pytest.mark.django_db


class Letter(BaseModel):
    text: str


class Demand(BaseModel):
    sentence: str = Field(max_length=200)
    page: int | None = None


class Demands(BaseModel):
    summary: str
    demands: list[Demand]


ANSWER = {
    "summary": "Two.",
    "demands": [{"sentence": "Pay!", "page": 1}, {"sentence": "Leave!", "page": None}],
}


@step(title="Finding demands", items=Demand, item_key="sentence")
def find(ctx: Any) -> Generator[Demand, None, int]:
    prompt = Prompt(system="List the demands as JSON.", text=ctx.input.text)
    generated = yield from ctx.generate(prompt, items=Demand, paths=["demands.item"], document=Demands)
    return generated.items


@step(title="Finding demands on lines", items=Demand, item_key="sentence")
def find_on_lines(ctx: Any) -> Generator[Demand, None, int]:
    generated = yield from ctx.generate(Prompt(system="", text=ctx.input.text), items=Demand)
    return generated.items


@step(title="Finding demands nowhere", items=Demand)
def find_nowhere(ctx: Any) -> Generator[Demand, None, int]:
    yield from ctx.generate(Prompt(system="", text=""), items=Demand, document=Demands)
    return 0


@pytest.fixture
def finished(longhaul):
    workflows = []

    def finish(body):
        workflow = Workflow("demands", version=1, input=Letter, title="Demands", steps=[body])
        workflows.append(workflow)
        return longhaul.finish(longhaul.start(workflow, input={"text": "Pay and leave!"}))

    yield finish
    for workflow in workflows:
        registry.forget(workflow)


@pytest.fixture
def server(longhaul, settings, monkeypatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_chat_server() as server:
        settings.LONGHAUL = {
            **settings.LONGHAUL,
            "MODEL_PROVIDER": "openai",
            "MODEL_NAME": "small",
            "MODEL_BASE_URL": server.base_url,
            "MODEL_STRUCTURED_OUTPUT": "json_schema",
        }
        longhaul.model.otherwise = get_model()
        yield server


def writes(*texts: str, finish: str = "stop") -> Any:
    answers = list(texts)

    def answer(chat: ChatHandler) -> None:
        text, is_last = answers.pop(0), not answers
        chat.begin()
        chat.say(*(delta(content=text[start : start + 5]) for start in range(0, len(text), 5)))
        chat.say(delta(finish_reason="stop" if is_last else finish), usage(30, 40), DONE)
        chat.end()

    return answer


def test_the_provider_is_held_to_the_document_and_its_items_are_stored(longhaul, finished, server):
    server.answer = writes(json.dumps(ANSWER))

    run = finished(find)

    assert run.state == RunState.COMPLETED
    assert longhaul.items(run) == ANSWER["demands"]
    (request,) = server.requests
    sent = request["response_format"]
    assert (sent["type"], sent["json_schema"]["strict"]) == ("json_schema", True)
    schema = sent["json_schema"]["schema"]
    assert schema["required"] == ["summary", "demands"]
    assert schema["$defs"]["Demand"]["required"] == ["sentence", "page"]
    assert Attempt.objects.get().usage["tokens_out"] == 40
    longhaul.check(run)


def test_a_cut_document_is_gone_on_with_as_a_document(longhaul, finished, server):
    whole = json.dumps(ANSWER)
    rest = json.dumps({"summary": "One.", "demands": ANSWER["demands"][1:]})
    server.answer = writes(whole[: whole.index("Leave")], rest, finish="length")

    run = finished(find)

    assert longhaul.items(run) == ANSWER["demands"]
    first, second = server.requests
    assert first["response_format"] == second["response_format"]
    assert '"Pay!"' in second["messages"][-1]["content"]


def test_lines_are_held_to_nothing(longhaul, finished, server):
    server.answer = writes('{"sentence": "Pay!"}\n')

    run = finished(find_on_lines)

    assert [item["sentence"] for item in longhaul.items(run)] == ["Pay!"]
    assert "response_format" not in server.requests[0]


def test_a_document_without_paths_is_refused_with_the_way_out(longhaul, finished):
    run = finished(find_nowhere)

    assert run.error["code"] == "wrong-paths"
    assert "name them, or leave out document=" in run.error["detail"]
