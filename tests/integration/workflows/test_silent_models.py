"""A step whose model is silent: it is stopped at once, and what it has said is not held back by the silence."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from streaming.llm.openai import OpenAIModel
from tests.fakes import FakeRecords
from tests.integration.streaming.chat_server import (
    DEADLINE_SECONDS,
    ChatHandler,
    ChatServer,
    delta,
    running_chat_server,
)
from tests.unit.workflows import conftest, test_heartbeat
from tests.unit.workflows.generating import line
from tests.unit.workflows.test_executor import ask_model, streaming_step
from workflows.definitions import ReAsk
from workflows.engine.items import NewItem
from workflows.engine.outcomes import Fenced, Outcome, Stopped
from workflows.execution.heartbeat import Heartbeat, Pace
from workflows.execution.signals import Signals

run = conftest.run
lease = test_heartbeat.lease

SOON_SECONDS = 2.0  # promised is one; a busy machine is late
BROKEN = '{"txt":"b"}\n'
OURS = ("model-watch", "longhaul-reask", "longhaul-listen")


@pytest.fixture
def server(monkeypatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_chat_server() as server:
        yield server


class Working:
    """An attempt at work, in a thread of its own."""

    def __init__(
        self, execute: Callable[..., Outcome], server: ChatServer, body: Any = ask_model, **options: Any
    ) -> None:
        self.signals = Signals()
        self.records = FakeRecords()
        self.outcomes: list[Outcome] = []
        self._execute = execute
        self._model = OpenAIModel(name="small", base_url=server.base_url)
        self._step = streaming_step(body, **options)
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        self.outcomes.append(
            self._execute(self._step, records=self.records, signals=self.signals, model=self._model)
        )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self.signals.stop.set()
            self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()

    @property
    def written(self) -> list[str]:
        """Items, and what was rejected in brackets."""
        return [
            change.value["text"] if isinstance(change, NewItem) else f"[{change.raw}]"
            for change in self.records.committed
        ]

    def seconds_until(self, is_true: Callable[[], bool]) -> float:
        began = time.monotonic()
        while not is_true() and time.monotonic() - began < DEADLINE_SECONDS:
            time.sleep(0.01)
        assert is_true()
        return time.monotonic() - began


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]


def is_reask(chat: ChatHandler) -> bool:
    return bool(chat.server.requests[-1]["messages"][0]["content"].startswith("You are given one object"))


def says_and_hangs(*texts: str, again: Callable[[ChatHandler], None] | None = None) -> Callable[..., None]:
    def answer(chat: ChatHandler) -> None:
        if again is not None and is_reask(chat):
            again(chat)
            return
        chat.begin()
        chat.say(*(delta(content=text) for text in texts))
        chat.hang()

    return answer


def says(text: str) -> Callable[[ChatHandler], None]:
    def answer(chat: ChatHandler) -> None:
        chat.begin()
        chat.say(delta(content=text), delta(finish_reason="stop"))
        chat.end()

    return answer


def cancel(signals: Signals) -> None:
    signals.stop.set()


def lose(signals: Signals) -> None:
    signals.lost.set()


def run_out(signals: Signals) -> None:
    """The heartbeat hangs: nobody sets anything, time passes."""
    signals.ends_at = signals.clock()


@pytest.mark.parametrize(("tell", "outcome"), [(cancel, Stopped), (lose, Fenced), (run_out, Fenced)])
def test_an_attempt_that_is_no_longer_wanted_ends_while_its_model_is_silent(run, server, tell, outcome):
    server.answer = says_and_hangs(line("a"))
    working = Working(run, server)
    with working.at_work():
        working.seconds_until(lambda: working.written == ["a"])

        tell(working.signals)

        assert working.seconds_until(lambda: bool(working.outcomes)) < SOON_SECONDS
        assert server.client_left.wait(SOON_SECONDS)
    assert isinstance(working.outcomes[0], outcome)
    assert len(server.requests) == 1  # a stop is no cut that is to be gone on with
    assert threads() == []


def test_it_ends_before_the_servers_first_header_too(run, server):
    server.answer = lambda chat: chat.hang()
    working = Working(run, server)
    with working.at_work():
        working.seconds_until(lambda: bool(server.requests))

        working.signals.stop.set()

        assert working.seconds_until(lambda: bool(working.outcomes)) < SOON_SECONDS
        assert server.client_left.wait(SOON_SECONDS)
    assert isinstance(working.outcomes[0], Stopped)


def test_it_ends_when_the_heartbeat_hears_of_the_cancel(run, server, lease):
    server.answer = says_and_hangs(line("a"))
    database, working = test_heartbeat.Database(), Working(run, server)
    pace = Pace(poll=lambda: 0.05, renewal=lambda: 10.0, lease=lambda: 30.0)
    heartbeat = Heartbeat(database, pace=pace)
    with heartbeat.hold(lease, since=time.monotonic()) as working.signals, working.at_work():
        working.seconds_until(lambda: working.written == ["a"])
        database.stopped = {lease.token}
        assert working.seconds_until(lambda: bool(working.outcomes)) < SOON_SECONDS
    assert isinstance(working.outcomes[0], Stopped)


def test_items_behind_a_repair_are_given_when_it_ends_though_the_model_is_silent(run, server):
    is_held = threading.Event()

    def again(chat: ChatHandler) -> None:
        assert is_held.wait(DEADLINE_SECONDS)
        says(line("b"))(chat)

    server.answer = says_and_hangs(line("a"), BROKEN, line("c"), again=again)
    working = Working(run, server, on_rejected=ReAsk())
    with working.at_work():
        working.seconds_until(lambda: working.written == ["a"] and len(server.requests) == 2)
        is_held.set()

        assert working.seconds_until(lambda: working.written == ["a", "b", "c"]) < SOON_SECONDS
    assert threads() == []


def test_a_repair_that_takes_too_long_is_closed_and_what_it_held_is_given(run, server, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "REASK_TIMEOUT_SECONDS": 0.5}
    server.answer = says_and_hangs(line("a"), BROKEN, line("c"), again=lambda chat: chat.hang())
    working = Working(run, server, on_rejected=ReAsk())
    with working.at_work():
        working.seconds_until(lambda: len(server.requests) == 2)

        given = working.seconds_until(lambda: working.written == ["a", f"[{BROKEN.strip()}]", "c"])

        assert given < 0.5 + SOON_SECONDS
        assert server.client_left.wait(SOON_SECONDS)  # the repair's: the answer itself goes on
        assert working.seconds_until(lambda: "longhaul-reask" not in threads()) < SOON_SECONDS
        assert not working.outcomes


@pytest.mark.parametrize("tell", [cancel, lose, run_out])
def test_a_repair_that_is_no_longer_wanted_leaves_no_thread_and_no_connection(run, server, tell):
    left = threading.Semaphore(0)

    def hang(chat: ChatHandler) -> None:
        chat.hang()
        left.release()

    def answer(chat: ChatHandler) -> None:
        says_and_hangs(line("a"), BROKEN, line("c"), again=hang)(chat)
        left.release()

    server.answer = answer
    working = Working(run, server, on_rejected=ReAsk())
    with working.at_work():
        working.seconds_until(lambda: working.written == ["a"] and len(server.requests) == 2)

        tell(working.signals)

        assert working.seconds_until(lambda: bool(working.outcomes)) < SOON_SECONDS
        assert working.seconds_until(lambda: threads() == []) < SOON_SECONDS
        assert all(left.acquire(timeout=SOON_SECONDS) for _ in range(2))
    assert working.written == ["a"]


def test_an_answer_that_nobody_reads_on_is_closed_while_a_read_is_under_way(run, server):
    """The handler fails over an item that came right while the model was silent."""

    def fails_over_b(ctx):
        for note in ask_model(ctx):
            if note.text == "b":
                raise ValueError("b")
            yield note

    server.answer = says_and_hangs(line("a"), BROKEN, line("c"), again=says(line("b")))
    working = Working(run, server, fails_over_b, on_rejected=ReAsk())
    with working.at_work():
        working.seconds_until(lambda: bool(working.outcomes))
        assert server.client_left.wait(SOON_SECONDS)
    assert working.outcomes[0].error.code == "unexpected-error"
    assert threads() == []
