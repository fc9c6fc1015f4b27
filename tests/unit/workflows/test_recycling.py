import pytest

from workflows.execution.recycling import EXIT_STATUS, Recycler


class Process:
    """A process that can end, and the time."""

    def __init__(self, *, child: bool) -> None:
        self.now, self.ended, self.stopped = 0.0, [], 0
        self.recycler = Recycler(
            stop_taking=self._stop, end=self.ended.append, is_child=lambda: child, clock=lambda: self.now
        )

    def _stop(self) -> None:
        self.stopped += 1


@pytest.mark.parametrize(("ages", "ends"), [([29.0], False), ([30.0], True)])
def test_a_child_of_the_pool_ends_with_its_one_hanging_body(ages, ends):
    process = Process(child=True)
    process.recycler.look(ages, 0)
    assert process.ended == ([EXIT_STATUS] if ends else [])


def test_a_process_of_threads_bears_a_few_hanging_bodies():
    process = Process(child=False)
    process.recycler.look([100.0, 100.0], 5)
    assert (process.ended, process.stopped) == ([], 0)


def test_then_it_takes_nothing_new_and_ends_when_its_other_steps_have():
    process = Process(child=False)
    process.recycler.look([30.0] * 3, 2)
    assert (process.ended, process.stopped) == ([], 1)
    process.now = 10.0
    process.recycler.look([40.0] * 3, 1)
    assert (process.ended, process.stopped) == ([], 1)
    process.recycler.look([41.0] * 3, 0)
    assert process.ended == [EXIT_STATUS]


def test_or_after_a_minute_whatever_they_do():
    process = Process(child=False)
    process.recycler.look([30.0] * 3, 2)
    process.now = 60.0
    process.recycler.look([90.0] * 3, 2)
    assert process.ended == [EXIT_STATUS]


def test_once_it_takes_nothing_new_it_ends_even_if_a_hanging_body_comes_back():
    process = Process(child=False)
    process.recycler.look([30.0] * 3, 2)
    process.now = 10.0
    process.recycler.look([40.0] * 2, 1)
    assert process.ended == []
    process.recycler.look([], 0)
    assert (process.ended, process.stopped) == ([EXIT_STATUS], 1)
