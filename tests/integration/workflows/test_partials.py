"""From a model's words to the half-written item that is kept in Redis, and away again."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from pydantic import BaseModel

from outbox import frames, wire
from outbox.frames import read_latest
from outbox.nudge import Breaker
from streaming.llm import Prompt
from streaming.llm.stopping import NEVER, Stop
from streaming.parsers import apply_ops
from workflows.definitions import Retry, Workflow, step
from workflows.events import ItemPartial
from workflows.models import Run
from workflows.states import RunState
from workflows.testing import ScriptedModel


class Nothing(BaseModel): ...


class Word(BaseModel):
    text: str


@step(title="Writing", items=Word, retry=Retry(attempts=2, base=1, cap=1))
def write(ctx: Any) -> Generator[Word, None, int]:
    yield from ctx.generate(Prompt(system="Write.", text=""), items=Word)
    return 0


writing = Workflow("test-partials", version=1, input=Nothing, title="A text", steps=[write])


class Watched(ScriptedModel):
    """Looks, before it says the next word, at what somebody would be sent who comes now."""

    def __init__(self, *pieces: Any, finish: Any = "stop") -> None:
        super().__init__()
        self.script(*pieces, finish=finish)
        self.run: Run
        self.kept: list[Any] = []

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Any, None, None]:
        for part in super().stream(prompt, stop=stop):
            self.kept.append(kept_of(self.run))
            yield part


def kept_of(run: Run) -> Any:
    kept = [json.loads(frame) for _, frame in read_latest(run.pk)]
    return [(frame["data"]["index"], apply_ops(None, frame["data"]["ops"])) for frame in kept]


@pytest.fixture
def engine(longhaul, redis_client, monkeypatch, settings) -> Any:
    monkeypatch.setattr(frames, "breaker", Breaker())  # the harness holds the other one
    settings.LONGHAUL = {**settings.LONGHAUL, "PARTIAL_INTERVAL_SECONDS": 0.02, "NUDGE_TIMEOUT_SECONDS": 1}
    monkeypatch.setattr("workflows.execution.half.time.monotonic", iter(range(100)).__next__)
    return longhaul


def start(engine: Any, model: Watched) -> Run:
    engine.model = model
    model.run = engine.start(writing)
    return model.run


def test_who_comes_in_the_middle_finds_the_half_item_until_it_is_committed(engine, redis_client):
    model = Watched('{"text":"on', "e", '"}\n', '{"text":"tw', 'o"}\n')
    run = start(engine, model)
    assert engine.finish(run).state == RunState.COMPLETED

    assert model.kept == [
        [],
        [(0, {"text": "on"})],
        [(0, {"text": "one"})],
        [],  # committed
        [(1, {"text": "tw"})],
        [],
    ]
    assert kept_of(run) == []
    told = [json.loads(fields[b"e"]) for _, fields in redis_client.xrange(wire.frames(wire.shard_of(run.pk)))]
    assert [frame["type"] for frame in told] == [ItemPartial.TYPE] * 3
    assert [frame["data"] for frame in told] == [
        {"index": 0, "rev": 1, "ops": [["set", "", {"text": "on"}]]},
        {"index": 0, "rev": 2, "ops": [["set", "", {"text": "one"}]]},
        {"index": 1, "rev": 3, "ops": [["set", "", {"text": "tw"}]]},
    ]
    assert {(frame["run"], frame["step"], frame["attempt"]) for frame in told} == {(str(run.pk), "write", 1)}


def test_of_an_attempt_that_ends_in_the_middle_nothing_is_kept(engine):
    model = Watched('{"text":"one"}\n{"text":"tw', "o", finish="length")
    run = start(engine, model)
    engine.model.script('{"text":"two"}\n')
    assert engine.finish(run).state == RunState.COMPLETED

    assert [(1, {"text": "tw"})] in model.kept
    assert model.kept[-2] == []  # where the next attempt begins
    assert kept_of(run) == []
    assert [item["text"] for item in engine.items(run, "write")] == ["one", "two"]


def test_the_next_attempt_counts_on(engine, redis_client, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "MODEL_MAX_CONTINUATIONS": 0}
    model = Watched('{"text":"one"}\n{"text":"tw', finish="length")
    run = start(engine, model)
    engine.model.script('{"text":"one"}\n', '{"text":"t', 'wo"}\n')
    engine.finish(run)

    told = [json.loads(fields[b"e"]) for _, fields in redis_client.xrange(wire.frames(wire.shard_of(run.pk)))]
    assert [(frame["attempt"], frame["data"]["index"]) for frame in told] == [(1, 1), (1, 1), (2, 1)]


def test_without_redis_an_item_is_written_all_the_same(engine, settings, monkeypatch):
    monkeypatch.setattr(frames, "client", frames.client.__wrapped__)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    model = Watched('{"text":"on', 'e"}\n', '{"text":"tw', 'o"}\n')
    run = start(engine, model)

    assert engine.finish(run).state == RunState.COMPLETED
    assert [item["text"] for item in engine.items(run, "write")] == ["one", "two"]
