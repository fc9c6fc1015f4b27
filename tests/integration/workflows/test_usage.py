"""What models used: kept through deaths and failures, summed up, and bounded by a run's budget."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pydantic import BaseModel

from streaming.llm import Finish, ModelUnavailable, Prompt, Usage
from streaming.llm.openai import OpenAIModel
from tests.factories import NOW
from tests.integration.streaming.chat_server import DEADLINE_SECONDS, ChatHandler, delta, running_chat_server
from workflows.definitions import Budget, Retry, Workflow, fan_out, registry, step
from workflows.errors import LeaseLost
from workflows.models import Attempt, Run
from workflows.selectors import run_rows, snapshot
from workflows.services import settling
from workflows.services.records import LeasedRecords
from workflows.services.spending import used_by_others

pytestmark = pytest.mark.django_db

PROMPT = Prompt(system="s" * 40, text="t" * 360)  # 100 tokens, about
LINE = '{"text":"%s"}\n'


class Nothing(BaseModel): ...


class Clause(BaseModel):
    text: str


@step(title="Reading", items=Clause, item_key="text", retry=Retry(attempts=2))
def read(ctx: Any) -> Generator[Clause, None, int]:
    result = yield from ctx.generate(PROMPT, items=Clause)
    return int(result.rejected)


@step(title="Judging", items=Clause, retry=Retry(attempts=2))
def judge(ctx: Any) -> Generator[Clause, None, None]:
    yield from ctx.generate(PROMPT, items=Clause)


@pytest.fixture
def reading() -> Iterator[Workflow]:
    workflow = Workflow("test-reading", version=1, input=Nothing, title="x", steps=[read, judge])
    yield workflow
    registry.forget(workflow)


@pytest.fixture
def prices(settings: Any) -> None:
    table = '{"scripted": {"input": 1000000, "output": 2000000}}'  # one and two units a token
    settings.LONGHAUL = {**settings.LONGHAUL, "MODEL_PRICES": table}


@pytest.fixture
def set_budget(settings: Any) -> Any:
    def set_to(**amounts: Any) -> None:
        given = {f"RUN_BUDGET_{name.upper()}": str(amount) for name, amount in amounts.items()}
        settings.LONGHAUL = {**settings.LONGHAUL, **given}

    return set_to


def usage(run: Run, name: str) -> list[dict[str, Any]]:
    rows = Attempt.objects.filter(step__run=run, step__name=name).order_by("number")
    return list(rows.values_list("usage", flat=True))


def test_a_run_shows_what_all_its_attempts_used_and_a_step_the_times_of_its_last(longhaul, reading, prices):
    longhaul.model.script(LINE % "a", ModelUnavailable("The model is away."))
    longhaul.model.script(LINE % "b")
    longhaul.model.script(LINE % "c")
    run = longhaul.finish(longhaul.start(reading))
    broken, whole = usage(run, "read")
    assert (broken["is_estimated"], broken["finish_reason"], broken["tokens_out"]) == (True, None, 4)
    shown = snapshot(run)
    sums = {name: broken[name] + whole[name] for name in ("tokens_in", "tokens_out", "cost", "calls")}
    first, second = (step["usage"] for step in shown["steps"])
    assert first == {
        **sums,
        **{name: whole[name] for name in whole if name.endswith("_seconds")},
        "model": "scripted",
        "finish_reason": "stop",
        "is_estimated": True,
    }
    assert (second["tokens_in"], second["tokens_out"], second["cost"]) == (10, 20, 50.0)
    assert not second["is_estimated"]
    total = {name: sums[name] + second[name] for name in ("tokens_in", "tokens_out", "cost")}
    assert shown["usage"] == run_rows([run])[0]["usage"] == {**total, "currency": "USD"}


def test_a_step_that_asks_no_model_shows_none(longhaul):
    from tests.flows import ordering

    shown = snapshot(longhaul.finish(longhaul.start(ordering)))
    assert {step["usage"] for step in shown["steps"]} == {None}
    assert shown["usage"] == {"tokens_in": 0, "tokens_out": 0, "cost": None, "currency": "USD"}


def test_a_part_of_the_cost_is_never_called_the_whole(longhaul, reading, settings, prices):
    longhaul.model.script(LINE % "a")
    longhaul.model.script(LINE % "b")
    run = longhaul.finish(longhaul.start(reading))
    assert snapshot(run)["usage"]["cost"] == 100.0
    Attempt.objects.filter(step__run=run, step__name="judge").update(
        usage={"tokens_in": 10, "tokens_out": 20}
    )
    shown = snapshot(run)
    assert [step["usage"]["cost"] for step in shown["steps"]] == [50.0, None]
    assert shown["usage"]["cost"] is run_rows([run])[0]["usage"]["cost"] is None


@pytest.mark.parametrize("fault", ["die_in_body", "lose_lease"])
def test_an_attempt_whose_worker_died_has_been_paid_all_the_same(longhaul, reading, settings, fault):
    settings.LONGHAUL = {**settings.LONGHAUL, "USAGE_INTERVAL_SECONDS": "0.000001"}
    longhaul.fault("read", fault, after_items=2)
    longhaul.model.script(*(LINE % text for text in "abcde"))
    longhaul.model.script(LINE % "f")
    longhaul.model.script(LINE % "g")
    run = longhaul.finish(longhaul.start(reading))
    assert longhaul.attempts(run, "read") == ["lost", "completed"]
    lost, _ = usage(run, "read")
    assert (lost["calls"], lost["is_estimated"], lost["tokens_in"]) == (1, True, 100)
    assert lost["tokens_out"] in (7, 11), (
        "two lines of 13 or 14 bytes, or a third that came before it noticed"
    )


def test_what_an_attempt_used_outlives_a_result_that_could_not_be_stored(longhaul, reading, monkeypatch):
    longhaul.model.script(LINE % "a")
    run = longhaul.start(reading)
    monkeypatch.setattr(settling, "_complete_step", lambda *_, **__: 1 / 0)
    longhaul.drive(run)
    (kept,) = usage(run, "read")
    assert run.steps.get(name="read").error["code"] == "unsettled"
    assert (kept["tokens_in"], kept["tokens_out"]) == (10, 20)


def test_only_the_bearer_of_the_lease_writes_what_was_used(longhaul, reading):
    run = longhaul.start(reading)
    lease = longhaul.acquire(run.steps.get(name="read"))
    assert lease is not None
    records = LeasedRecords(lease, clock=longhaul.clock)
    records.save_usage({"tokens_in": 1})
    longhaul.lose(lease)
    with pytest.raises(LeaseLost):
        records.save_usage({"tokens_in": 2})
    assert usage(run, "read") == [{"tokens_in": 1}]


def test_a_run_that_has_used_its_budget_asks_no_more_and_goes_on_once_it_is_raised(
    longhaul, reading, set_budget, operator
):
    set_budget(tokens=125)
    longhaul.model.script(LINE % "a")
    run = longhaul.finish(longhaul.start(reading))
    assert (run.state, run.error["code"], run.error["retryable"]) == ("failed", "budget-exceeded", False)
    assert run.error["detail"] == (
        "The model was not asked: with its prompt the run would have used 130 of 125 tokens. "
        "Raise LONGHAUL_RUN_BUDGET_TOKENS, then retry the run."
    )
    assert longhaul.attempts(run, "judge") == ["failed"], "another try would not help"
    assert len(longhaul.model.prompts) == 1
    set_budget(tokens=200)
    longhaul.model.script(LINE % "b")
    run = longhaul.finish(longhaul.retry(run, by=operator))
    assert run.state == "completed"


def test_a_model_that_writes_beyond_the_budget_is_stopped_and_its_items_are_kept(
    longhaul, reading, set_budget
):
    set_budget(tokens=200)
    longhaul.model.script(*(LINE % f"{number:03}" for number in range(50)))
    run = longhaul.finish(longhaul.start(reading))
    assert run.error["code"] == "budget-exceeded"
    assert "What came before is kept." in run.error["detail"]
    kept = [item["text"] for item in longhaul.items(run)]
    assert kept == [f"{number:03}" for number in range(35)]
    assert longhaul.model.closed_count == 1, "the connection ends, so that nothing more is paid"
    (stopped,) = usage(run, "read")
    assert stopped["tokens_in"] + stopped["tokens_out"] == 235, "it is looked at every 64 tokens or so"


def test_the_connection_to_the_provider_is_closed_when_the_budget_is_spent(
    longhaul, reading, set_budget, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    set_budget(tokens=150)
    with running_chat_server() as server:

        def write_for_ever(chat: ChatHandler) -> None:
            chat.begin()
            chat.hang(repeat=delta(content=LINE % "on and on"))

        server.answer = write_for_ever
        longhaul.model.otherwise = OpenAIModel(name="small", base_url=server.base_url)
        run = longhaul.finish(longhaul.start(reading))
        assert server.client_left.wait(DEADLINE_SECONDS)
        assert len(server.requests) == 1
    assert run.error["code"] == "budget-exceeded"
    (stopped,) = usage(run, "read")
    assert stopped["tokens_in"] == 100
    assert 50 <= stopped["tokens_out"] < 50 + 64 + 6


def test_a_workflow_has_a_budget_of_its_own_and_an_undo_has_none(longhaul, prices):
    @step(title="Writing", items=Clause)
    def write(ctx: Any) -> Generator[Clause, None, None]:
        yield from ctx.generate(PROMPT, items=Clause)

    @write.undo
    def unwrite(ctx: Any, output: None) -> None:
        with ctx.meter.asked("scripted", "undo it") as call:
            call.finished(Finish("stop", Usage(tokens_in=7, tokens_out=1)))

    workflow = Workflow(
        "test-paying",
        version=1,
        input=Nothing,
        title="x",
        steps=[write, judge],
        on_failure="compensate",
        budget=Budget(cost=120),
    )
    longhaul.model.script(LINE % "a")
    try:
        run = longhaul.finish(longhaul.start(workflow))
    finally:
        registry.forget(workflow)
    assert run.state == "compensated"
    assert "150 of 120 USD. Raise the budget of workflow test-paying" in run.error["detail"]
    assert snapshot(run)["steps"][0]["usage"]["tokens_in"] == 17, "an undo is paid too"


def test_the_parts_of_a_fan_out_share_the_runs_budget_and_are_summed_up_in_it(longhaul, set_budget, client):
    @step(title="Weighing", retry=Retry(attempts=1))
    def weigh(ctx: Any) -> int:
        return len(list(ctx.generate(PROMPT, items=Clause)))

    steps = [read, fan_out(weigh, over=read)]
    workflow = Workflow("test-weighing", version=1, input=Nothing, title="x", steps=steps)
    set_budget(tokens=200)
    longhaul.model.script(*(LINE % text for text in "abcde"))
    for text in "vwxyz":
        longhaul.model.script(LINE % text)
    try:
        run = longhaul.finish(longhaul.start(workflow))
    finally:
        registry.forget(workflow)
    assert run.error["code"] == "budget-exceeded"
    weighed = snapshot(run)["steps"][1]["usage"]
    assert (weighed["calls"], weighed["tokens_in"], weighed["tokens_out"]) == (3, 30, 60)
    assert weighed["model"] is None, "of which part?"
    client.force_login(run.owner)
    address = reverse("run-steps", args=[run.pk])
    parts = client.get(address, {"parent": "weigh"}).json()["steps"]
    assert [part["usage"] and part["usage"]["tokens_out"] for part in parts] == [20, 20, 20, None, None]
    assert client.get(address).json()["steps"][1]["usage"] == weighed


def test_the_attempts_of_a_step_tell_all_of_it(longhaul, reading, prices, client):
    longhaul.model.script(LINE % "a")
    longhaul.model.script(LINE % "b")
    run = longhaul.finish(longhaul.start(reading))
    client.force_login(run.owner)
    (attempt,) = client.get(reverse("step-attempts", args=[run.pk, "read"])).json()["attempts"]
    assert set(attempt["usage"]) == {
        "tokens_in", "tokens_out", "tokens_cached", "cost", "calls", "model", "finish_reason", "first_token_seconds",
        "first_item_seconds", "last_item_seconds", "is_estimated",
    }  # fmt: skip
    assert (attempt["usage"]["cost"], attempt["usage"]["model"]) == (50.0, "scripted")
    assert attempt["usage"]["first_token_seconds"] <= attempt["usage"]["first_item_seconds"]


def test_the_sum_is_the_databases_work_whatever_the_number_of_attempts(longhaul, reading, prices):
    longhaul.model.script(LINE % "a")
    longhaul.model.script(LINE % "b")
    run = longhaul.finish(longhaul.start(reading))
    whole = usage(run, "read")[0]
    Attempt.objects.bulk_create(
        Attempt(
            step=run.steps.get(name="read"), kind="undo", number=number, state="failed", usage=whole,
            started_at=NOW, finished_at=NOW,
        )
        for number in range(1, 1_001)
    )  # fmt: skip
    with CaptureQueriesContext(connection) as queries:
        shown = snapshot(run)
    assert shown["usage"]["tokens_in"] == 10 * 1_002
    asked = [query["sql"] for query in queries if 'FROM "workflows_attempt"' in query["sql"]]
    assert len(asked) == 2
    lease = longhaul.acquire(longhaul.start(reading).steps.get(name="read"))
    assert lease is not None
    assert used_by_others(lease).tokens == 0, "another run's"
