"""What an attempt uses of models: counted, kept, bounded."""

import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError

from streaming.llm import Finish, Prompt, Usage
from streaming.prices import Price
from tests.fakes import FakeRecords
from workflows.engine.budget import Limit, Limits, Used
from workflows.errors import BudgetExceeded, LeaseLost
from workflows.execution.meter import Meter

PROMPT = Prompt(system="s" * 40, text="t" * 360)  # 100 tokens, about
PRICES = {
    "small": Price(input=Decimal(1), output=Decimal(10)),
    "large": Price(input=Decimal(100), output=Decimal(1000)),
}


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ledger() -> FakeRecords:
    return FakeRecords()


@pytest.fixture
def make_meter(ledger: FakeRecords, time: Time) -> Callable[..., Meter]:
    def make(**limits: Any) -> Meter:
        set_here = {
            name: Limit(amount=Decimal(str(amount)), unit="tokens" if name == "tokens" else "USD", source="X")
            for name, amount in limits.items()
        }
        return Meter(ledger, prices=PRICES, limits=Limits(**set_here), clock=time)

    return make


def break_off(meter: Meter, *words: str) -> None:
    with suppress(ConnectionError), meter.asked("small", PROMPT) as call:
        for word in words:
            call.heard(word)
        raise ConnectionError


def test_an_attempt_that_asked_no_model_used_nothing(make_meter) -> None:
    assert make_meter().usage == {}


def test_a_finished_call_counts_what_the_provider_says(make_meter, ledger) -> None:
    meter = make_meter()
    with meter.asked("small", PROMPT) as call:
        call.heard("Hello")
        call.finished(Finish("stop", Usage(tokens_in=90, tokens_out=2)))
    assert meter.usage == ledger.usages[-1] == {
        "tokens_in": 90, "tokens_out": 2, "tokens_cached": 0, "cost": 0.00011, "calls": 1, "model": "small",
        "finish_reason": "stop", "first_token_seconds": 0.0, "first_item_seconds": None, "last_item_seconds": None,
        "is_estimated": False,
    }  # fmt: skip


def test_several_calls_are_summed_up_and_the_last_one_names_the_model(make_meter) -> None:
    meter = make_meter()
    for model, finish in (("small", "length"), ("large", "stop")):
        with meter.asked(model, PROMPT) as call:
            call.finished(Finish(finish, Usage(tokens_in=1_000_000, tokens_out=0, tokens_cached=5)))
    usage = meter.usage
    assert (usage["tokens_in"], usage["tokens_cached"], usage["cost"], usage["calls"]) == (
        2_000_000,
        10,
        101.0,
        2,
    )
    assert (usage["model"], usage["finish_reason"]) == ("large", "stop")


def test_times_are_told_from_the_first_question(make_meter, time) -> None:
    meter = make_meter()
    with meter.asked("small", PROMPT) as call:
        for seconds in (1.5, 0.5, 2.0):
            time.now += seconds
            call.heard("x")
            if seconds < 2:
                meter.item()
    usage = meter.usage
    times = [usage[f"{name}_seconds"] for name in ("first_token", "first_item", "last_item")]
    assert times == [1.5, 1.5, 2.0]


def test_what_is_written_is_kept_at_most_once_a_second(make_meter, ledger, time) -> None:
    meter = make_meter()
    with meter.asked("small", PROMPT) as call:
        assert [usage["tokens_in"] for usage in ledger.usages] == [100], (
            "the question is paid when it is asked"
        )
        for _ in range(80):
            time.now += 0.125
            call.heard("four")
    assert len(ledger.usages) == 1 + 10
    assert ledger.usages[-1] | {"tokens_out": 80, "is_estimated": True} == ledger.usages[-1]


def test_a_call_that_broke_off_is_an_estimate_and_one_without_a_word_costs_nothing(make_meter) -> None:
    meter = make_meter()
    break_off(meter, "x" * 400)
    half = meter.usage
    assert (half["tokens_in"], half["tokens_out"], half["is_estimated"], half["finish_reason"]) == (
        100,
        100,
        True,
        None,
    )
    break_off(meter)
    assert meter.usage == {**half, "calls": 2}


@pytest.mark.parametrize("usage", [Usage(), Usage(tokens_in=3, is_estimated=True)])
def test_a_count_that_nobody_made_is_called_an_estimate(make_meter, usage) -> None:
    meter = make_meter()
    with meter.asked("small", PROMPT) as call:
        call.heard("four")
        call.finished(Finish("stop", usage))
    assert meter.usage["is_estimated"]
    assert meter.usage["tokens_in"] == (usage.tokens_in or 100)


def test_tokens_of_other_scripts_are_estimated_from_their_bytes(make_meter) -> None:
    meter = make_meter()
    with meter.asked("small", "漢" * 4) as call:
        call.heard("\ud800")
    assert (meter.usage["tokens_in"], meter.usage["tokens_out"]) == (3, 1)


def test_without_a_price_there_is_no_cost_and_a_part_is_never_called_the_whole(make_meter) -> None:
    meter = make_meter()
    for model in ("small", "unknown"):
        with meter.asked(model, PROMPT) as call:
            call.finished(Finish("stop", Usage(tokens_in=1, tokens_out=1)))
    assert meter.usage["cost"] is None


def test_a_database_that_is_away_costs_an_estimate_and_not_the_answer(
    make_meter, ledger, time, monkeypatch
) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError

    meter = make_meter(tokens=10_000)
    with meter.asked("small", PROMPT) as call:
        monkeypatch.setattr(ledger, "save_usage", away)
        monkeypatch.setattr(ledger, "read_used", away)
        time.now += 60
        call.heard("x")
        call.finished(Finish("stop", Usage(tokens_in=7, tokens_out=1)))
    assert meter.usage["tokens_in"] == 7


def test_a_lease_that_was_lost_ends_the_call(make_meter, ledger, time, monkeypatch) -> None:
    def lost(usage: Any) -> None:
        raise LeaseLost

    meter = make_meter()
    call = meter.asked("small", PROMPT)
    monkeypatch.setattr(ledger, "save_usage", lost)
    time.now += 1
    with pytest.raises(LeaseLost):
        call.heard("x")


def test_a_call_in_another_thread_is_counted_there_and_saved_by_the_first(make_meter, ledger, time) -> None:
    meter = make_meter(tokens=10_000)

    def ask_again() -> None:
        with meter.asked("small", PROMPT) as repair:
            time.now += 1
            repair.heard("x")
            repair.finished(Finish("stop", Usage(tokens_in=50, tokens_out=5)))

    with meter.asked("small", PROMPT) as call:
        saved = len(ledger.usages)
        thread = threading.Thread(target=ask_again)
        thread.start()
        thread.join()
        assert len(ledger.usages) == saved, "its connection would be another one, which nobody closes"
        call.heard("x")
    assert ledger.usages[-1] | {"tokens_in": 150, "tokens_out": 6, "calls": 2} == ledger.usages[-1]


def test_a_model_is_not_asked_when_its_prompt_would_spend_the_rest(make_meter, ledger) -> None:
    meter = make_meter(tokens=1_000)
    ledger.used = Used(tokens=850)
    with meter.asked("small", PROMPT) as call:
        call.finished(Finish("stop", Usage(tokens_in=40, tokens_out=20)))
    with pytest.raises(BudgetExceeded) as refused:
        meter.asked("small", PROMPT)
    assert refused.value.detail == (
        "The model was not asked: with its prompt the run would have used 1,010 of 1,000 tokens. "
        "Raise X, then retry the run."
    )
    assert meter.usage["calls"] == 1


def test_a_model_is_stopped_while_it_writes(make_meter) -> None:
    meter = make_meter(cost=0.002)  # 100 tokens in are 0.0001, 190 out the rest
    call = meter.asked("small", PROMPT)
    for _ in range(2):
        call.heard("four" * 64)
    for _ in range(63):
        call.heard("four")  # the 190th was one of these
    with pytest.raises(
        BudgetExceeded, match=r"used 0\.002 of 0\.002 USD\. What came before is kept\. Raise X"
    ):
        call.heard("four")


def test_what_the_runs_other_steps_use_meanwhile_counts(make_meter, ledger, time) -> None:
    meter = make_meter(tokens=1_000)
    call = meter.asked("small", PROMPT)
    ledger.used = Used(tokens=900)
    call.heard("x")
    time.now += 5
    with pytest.raises(BudgetExceeded):
        call.heard("x")


def test_a_budget_of_money_is_kept_only_by_models_that_have_a_price(make_meter) -> None:
    with pytest.raises(
        BudgetExceeded, match=r"may cost 5 USD, and nameless has no price\. Add it to LONGHAUL_MODEL"
    ):
        make_meter(cost=5).asked("nameless", PROMPT)
    make_meter(tokens=5_000).asked("nameless", PROMPT)
