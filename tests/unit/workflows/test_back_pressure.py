"""A database that is slow slows the model down: while items wait for their commit, no more of them is read."""

import threading
import time
from collections.abc import Generator

import pytest

from streaming.llm import Chunk, Finish, Prompt, Usage
from streaming.llm.stopping import NEVER, Stop
from tests.fakes import FakeRecords
from tests.unit.workflows.generating import line
from tests.unit.workflows.test_executor import ask_model, streaming_step
from workflows.engine.outcomes import Succeeded

ITEMS = 400


class Writer:
    """Writes as fast as it is read, or at a pace, and counts what was read."""

    name = "writer"

    def __init__(self, *, pause_seconds: float = 0.0, items: int = ITEMS) -> None:
        self.pause_seconds = pause_seconds
        self.items = items
        self.read = 0

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        for number in range(self.items):
            time.sleep(self.pause_seconds)
            self.read += 1
            yield Chunk(line(str(number)))
        yield Finish("stop", Usage())


class SlowRecords(FakeRecords):
    """Its second commit, and those after it, wait until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.waits = threading.Event()
        self.committer = ""
        self.on_commit = self.wait

    def wait(self) -> None:
        if self.batches and not self.go.is_set():
            self.committer = threading.current_thread().name
            self.waits.set()
            assert self.go.wait(30)


@pytest.mark.parametrize(
    ("pause_seconds", "items", "most", "committer"),
    [
        (0.0, ITEMS, 1 + 100 + 1, ""),  # the first, a full batch, and one at the door
        (0.01, 40, 30, "longhaul-flush"),  # what comes in 50 ms, the flush thread's; a busy machine is late
    ],
)
def test_the_model_is_not_read_while_the_database_is_slow(run, pause_seconds, items, most, committer):
    records, model = SlowRecords(), Writer(pause_seconds=pause_seconds, items=items)
    outcomes = []
    work = threading.Thread(
        target=lambda: outcomes.append(run(streaming_step(ask_model), records=records, model=model))
    )
    work.start()
    try:
        assert records.waits.wait(30)
        time.sleep(0.3)  # in which a model that were read would have written the rest
        read = model.read
        time.sleep(0.1)
        assert read == model.read <= most
        if committer:
            assert records.committer == committer
    finally:
        records.go.set()  # the flush thread, which all tests share, may wait for it
        work.join(30)
    assert isinstance(outcomes[0], Succeeded)
    assert [change.value["text"] for change in records.committed] == [str(number) for number in range(items)]
