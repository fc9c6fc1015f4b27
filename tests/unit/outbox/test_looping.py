import threading

from outbox import looping
from outbox.looping import RelayLoop


class Turns:
    """In place of the relay's turns: each waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.made, self.ended = threading.Semaphore(0), 0, 0
        self.go = threading.Semaphore(0)

    def turn(self) -> None:
        self.made += 1
        self.begun.release()
        self.go.acquire(timeout=10)

    def end(self) -> None:
        self.ended += 1


def test_a_second_call_in_a_process_lengthens_the_loop_that_runs_and_takes_no_thread(monkeypatch):
    turns = Turns()
    monkeypatch.setattr(looping, "_Turns", lambda *_, **__: turns)
    loop = RelayLoop()
    first = threading.Thread(target=loop.run, kwargs={"seconds": 0.01})
    first.start()
    turns.begun.acquire(timeout=10)

    loop.run(seconds=60)  # returns though the first one is at work

    threading.Event().wait(0.02)  # the first one's time is over
    turns.go.release()
    assert turns.begun.acquire(timeout=10), "the loop ended with the first one's time"
    loop.stop()
    turns.go.release()
    first.join(10)
    assert turns.ended == 1


def test_when_its_time_is_over_the_loop_ends_and_may_begin_anew(monkeypatch):
    turns = Turns()
    turns.go.release(2)
    monkeypatch.setattr(looping, "_Turns", lambda *_, **__: turns)
    loop = RelayLoop()
    loop.run(seconds=0)
    loop.run(seconds=0)
    assert turns.ended == 2
