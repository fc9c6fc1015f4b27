import signal

import pytest

from config.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_the_second_hurries(number: signal.Signals) -> None:
    hurried: list[str] = []
    with Interrupts() as interrupts:
        interrupts.at_once = lambda: hurried.append("hurry")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert hurried == []
        signal.raise_signal(number)
        assert hurried == ["hurry"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_once_stopping_has_begun_a_signal_only_hurries(number: signal.Signals) -> None:
    hurried: list[str] = []
    with Interrupts() as interrupts:
        interrupts.at_once = lambda: hurried.append("hurry")
        interrupts.stopping()
        signal.raise_signal(number)
        assert hurried == ["hurry"]


def test_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
