import threading
import time

from streaming.llm.patience import Watch


def test_a_silence_is_cut_once_its_deadline_passes():
    cut = threading.Event()

    with Watch(cut.set) as watch:
        watch.arm(time.monotonic() + 0.01)
        assert cut.wait(5)

    assert watch.has_cut


def test_each_word_moves_the_deadline_earlier_or_later():
    cut = threading.Event()

    with Watch(cut.set) as watch:
        watch.arm(time.monotonic() + 600)
        watch.arm(time.monotonic() + 0.01)
        assert cut.wait(5)


def test_nothing_is_cut_while_the_caller_works():
    cut = threading.Event()

    with Watch(cut.set) as watch:
        watch.arm(time.monotonic() + 0.5)
        watch.disarm()
        assert not cut.wait(1)

    assert not watch.has_cut


def test_a_closed_watch_leaves_no_thread():
    with Watch(lambda: None) as watch:
        watch.arm(time.monotonic() + 600)

    assert "model-watch" not in [thread.name for thread in threading.enumerate()]
