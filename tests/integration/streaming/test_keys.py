"""The key of a provider that quotes it back: in no row, no log and no recording of a step that fails of it."""

import logging
from collections.abc import Generator
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from pydantic import BaseModel, SecretStr

from streaming.llm import Prompt, RecordingModel
from streaming.llm.openai import OpenAIModel
from tests.integration.streaming.asking import KEY
from tests.integration.streaming.chat_server import answers, delta, event, fails
from workflows.definitions import Retry, Workflow, step


class Fact(BaseModel):
    a: int


class Nothing(BaseModel):
    pass


@step(title="Asking", items=Fact, retry=Retry(attempts=2))
def ask(ctx: Any) -> Generator[Fact, None, None]:
    yield from ctx.generate(Prompt(system="s", text="t"), items=Fact)


asking = Workflow("asking-with-a-key", version=1, input=Nothing, title="Asking", steps=[ask])


def quoting(status: int):
    """A provider that quotes the key in every field of its error, or in the middle of its answer."""
    error = {"message": f"Incorrect key: {KEY}", "code": f"bad {KEY}", "type": KEY, "param": KEY}

    def prepare(server) -> None:
        if status == 200:
            answers(server, delta(content='{"a": 1}\n'), event(error=error))
        else:
            fails(server, status, error)

    return prepare


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_key_that_a_provider_quotes_is_kept_nowhere(longhaul, chat_server, tmp_path, caplog, status):
    caplog.set_level(logging.DEBUG)
    quoting(status)(chat_server)
    model = OpenAIModel(name="small", base_url=chat_server.base_url, api_key=SecretStr(KEY))
    longhaul.model.otherwise = RecordingModel(model=model, folder=tmp_path, keep_prompts=True)

    run = longhaul.finish(longhaul.start(asking, input={}))

    assert run.state == "failed"
    assert chat_server.headers[0]["authorization"] == f"Bearer {KEY}"
    rows = [row for kind in apps.get_models() if kind._meta.managed for row in kind._default_manager.all()]
    assert len(rows) > 5
    assert KEY not in serializers.serialize("json", rows)
    assert KEY not in caplog.text
    assert all(KEY not in path.read_text() for path in tmp_path.iterdir())
