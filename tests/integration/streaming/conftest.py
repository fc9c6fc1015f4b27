from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from streaming.llm.openai import OpenAIModel
from tests.integration.streaming.asking import KEY, QUICK, STEADY
from tests.integration.streaming.chat_server import ChatServer, running_chat_server


@pytest.fixture
def chat_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    # A proxy of the machine would be asked for loopback too.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_chat_server() as server:
        yield server


@pytest.fixture
def model(chat_server):
    return OpenAIModel(name="small", base_url=chat_server.base_url, api_key=SecretStr(KEY))


@pytest.fixture
def steady(chat_server):
    """A model that is waited for, though not for long."""
    return OpenAIModel(name="small", base_url=chat_server.base_url, patience=STEADY)


@pytest.fixture
def hasty(chat_server):
    """A model that is waited for briefly."""
    return OpenAIModel(name="small", base_url=chat_server.base_url, patience=QUICK)
