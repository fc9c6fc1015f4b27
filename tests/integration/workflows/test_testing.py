"""The test helpers that teams get: driving, the scripted model, what is asserted; faults are in a file of their own."""

from collections.abc import Generator
from datetime import timedelta
from typing import get_args

import pytest
from django.db import connection
from pydantic import BaseModel

from outbox.clock import CLOCK
from outbox.models import Entry
from streaming.llm import ModelUnavailable, Prompt
from tests.flows import asking, ledger, ordering
from workflows import services
from workflows.definitions import Retry, Workflow, step
from workflows.models import Attempt, Run, Step
from workflows.states import RunState
from workflows.testing import Unscripted
from workflows.testing.faults import FaultKind
from workflows.testing.log import difference

# Without a transaction of its own: the helpers' own commits are savepoints here.
pytestmark = pytest.mark.django_db

DEATHS = [kind for kind in get_args(FaultKind) if kind.startswith("die")]


class Nothing(BaseModel): ...


class Word(BaseModel):
    text: str


@pytest.fixture(autouse=True)
def empty_ledger() -> None:
    ledger.clear()


@step(title="Writing", items=Word, item_key="text", retry=Retry(attempts=3))
def write(ctx) -> Generator[Word, None, int]:
    result = yield from ctx.generate(Prompt(system="", text="go on"), items=Word)
    return result.rejected


writing = Workflow("test-writing", version=1, input=Nothing, title="A text", steps=[write])


# --- driving --------------------------------------------------------------------------------------------------


def test_a_run_ends_in_the_test_with_its_whole_log(longhaul, owner):
    run = longhaul.finish(longhaul.start(ordering, input={"name": "a lamp"}, owner=owner))
    assert (run.state, run.owner) == (RunState.COMPLETED, owner)
    longhaul.assert_events(
        run,
        [
            "run.created",
            "run.started",
            "step.started reserve",
            "step.completed reserve",
            "step.started list_parts",
            "item.committed",
            "item.committed",
            "item.committed",
            ...,
            "run.completed",
        ],
    )
    assert [item["text"] for item in longhaul.items(run, "list_parts")] == ["shade", "bulb", "foot"]
    longhaul.check(run)


@pytest.mark.django_db(transaction=True)
def test_it_works_with_real_commits_too(longhaul):
    longhaul.fault("charge", "die_before_commit")
    run = longhaul.finish(longhaul.start(ordering))
    assert (run.state, run.owner.username) == (RunState.COMPLETED, "tester")
    assert longhaul.attempts(run, "charge") == ["lost", "completed"]
    longhaul.check(run)


def test_back_offs_take_no_time(longhaul):
    began = longhaul.clock.now()
    run = longhaul.finish(longhaul.start(ordering, input={"fails_at": "reserve"}))
    assert run.state == RunState.FAILED
    assert longhaul.attempts(run, "reserve") == ["failed"] * 3
    assert longhaul.clock.now() - began == timedelta(seconds=1.5)


def test_a_wait_is_answered_or_runs_out(longhaul):
    run = longhaul.until_waiting(longhaul.start(asking))
    assert longhaul.states(run)["approval"] == "waiting"
    longhaul.signal(run, "approval", {"approved": True})
    assert longhaul.finish(run).state == RunState.COMPLETED

    nobody = longhaul.finish(longhaul.start(asking))
    assert (nobody.state, nobody.error["code"]) == (RunState.FAILED, "wait-timed-out")


def test_a_run_that_ends_before_it_waits_says_why(longhaul):
    with pytest.raises(AssertionError, match=r"failed and waits for nothing.*Broken"):
        longhaul.until_waiting(longhaul.start(asking, input={"fails": ["pack"]}))


def test_the_verbs_act_for_the_owner(longhaul):
    failed = longhaul.finish(longhaul.start(ordering, input={"fails_at": "charge", "error": "fatal"}))
    longhaul.skip(failed, "charge", "a receipt")
    longhaul.compensate(failed)
    assert longhaul.finish(failed).state == RunState.COMPENSATED
    assert longhaul.attempts(failed, "reserve", undo=True) == ["completed"]

    again = longhaul.finish(longhaul.start(ordering, input={"fails_at": "charge", "error": "fatal"}))
    Run.objects.filter(pk=again.pk).update(input={"name": "a lamp"})
    longhaul.retry(again)
    assert longhaul.finish(again).state == RunState.COMPLETED

    assert longhaul.cancel(longhaul.start(ordering)).state == RunState.CANCELLED


def test_a_step_that_this_process_has_no_code_for_is_waited_for_and_then_said(longhaul, monkeypatch):
    run = longhaul.start(writing)
    Run.objects.filter(pk=run.pk).update(version=99)
    monkeypatch.setattr("workflows.testing.harness.MAX_ALARMS", 5)
    with pytest.raises(AssertionError, match="does not come to rest"):
        longhaul.finish(run)


def test_views_and_commands_under_test_have_the_same_clock(longhaul, owner):
    run = services.start(ordering, input={}, owner=owner)
    assert run.created_at == longhaul.clock.now() == CLOCK.now()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_to_a_broker_or_to_redis(longhaul, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a test reached for the network")

    monkeypatch.setattr("celery.app.base.Celery.connection_for_write", refuse)
    monkeypatch.setattr("celery.canvas.Signature.apply_async", refuse)
    monkeypatch.setattr("outbox.nudge.client", refuse)
    monkeypatch.setattr("outbox.frames.client", refuse)
    longhaul.fault("charge", "die_after_commit")
    assert longhaul.finish(longhaul.start(ordering)).state == RunState.COMPLETED


def test_items_are_written_by_the_thread_of_the_test(longhaul):
    """Another thread's connection would not see what an open transaction holds."""
    run = longhaul.finish(longhaul.start(ordering))
    assert connection.in_atomic_block
    assert len(longhaul.items(run)) == 3


# --- the scripted model ---------------------------------------------------------------------------------------


def test_a_scripted_stream_may_be_cut_anywhere(longhaul):
    longhaul.model.script('{"text":"a"}\n{"text":"b"}', Word(text="c"), {"text": "d"}, chunk_chars=3)
    run = longhaul.finish(longhaul.start(writing))
    assert [item["text"] for item in longhaul.items(run)] == ["a", "b", "c", "d"]


def test_an_answer_that_breaks_off_is_gone_on_with(longhaul):
    longhaul.model.script(Word(text="a"), ModelUnavailable("The model is away."))
    longhaul.model.script(Word(text="b"), '{"te', finish="length")
    longhaul.model.script(Word(text="c"))
    run = longhaul.finish(longhaul.start(writing))
    assert longhaul.attempts(run, "write") == ["failed", "completed"]
    assert [item["text"] for item in longhaul.items(run)] == ["a", "b", "c"]
    assert [len(prompt.done) for prompt in longhaul.model.prompts] == [0, 1, 2]
    assert longhaul.model.closed_count == 3
    assert longhaul.model.answers_left == 0


def test_an_answer_that_nobody_scripted_fails_the_test_and_not_the_step(longhaul):
    run = longhaul.start(writing)
    with pytest.raises(Unscripted, match="asked 1 times, and no answer is left"):
        longhaul.finish(run)
    assert longhaul.attempts(run, "write") == ["running"]


# --- what is asserted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        ["a", "b x", "c", "b y"],
        ["a", "b", "c", "b"],
        [...],
        ["a", ..., "b y"],
        [..., "b", ..., "b"],
        [..., "b", ...],
        ["a", ..., "b", "c", "b", ...],
    ],
)
def test_a_log_as_expected_has_no_difference(expected):
    assert difference(["a", "b x", "c", "b y"], expected) is None


@pytest.mark.parametrize(
    ("expected", "mark"),
    [
        (["a", "c"], "2 b x     expected here: c"),
        (["a", "b y"], "2 b x     expected here: b y"),
        (["a", "b", "c"], "4 b y     expected here: the end"),
        (["a", "b", "c", "b", "d"], "(end of the log)     expected here: d"),
        (["a", ..., "d"], "2 b x     expected here: d, here or later"),
        ([..., "b", "d"], "3 c     expected here: d"),
        ([], "1 a     expected here: the end"),
    ],
)
def test_a_difference_is_marked_where_the_log_parts_from_what_was_expected(expected, mark):
    assert f"---> {mark}" in difference(["a", "b x", "c", "b y"], expected)


def test_attempts_are_told_to_operators_only(longhaul):
    run = longhaul.finish(longhaul.start(ordering))
    assert "attempt.started reserve" not in longhaul.events(run)
    longhaul.assert_events(run, [..., "attempt.completed charge", ...], seen_by="operator")
    with pytest.raises(AssertionError, match=r"as public sees it:(.|\n)*expected here: run.failed"):
        longhaul.assert_events(run, [..., "step.completed charge", "run.failed"])


def test_a_run_that_is_not_whole_is_told_in_sentences(longhaul):
    run = longhaul.finish(longhaul.start(ordering))
    Entry.objects.filter(stream_id=run.pk, type="step.completed").last().delete()
    run.items.first().delete()
    Attempt.objects.filter(step__name="charge").update(number=2)
    with pytest.raises(AssertionError) as broken:
        longhaul.check(run)
    for words in (
        "its log has holes",
        "counts 1 forward attempts, and these are there: [2]",
        "the items of list_parts are numbered [1, 2]",
        "it has 2 items, and its log tells 3",
    ):
        assert words in str(broken.value)


def test_a_live_run_without_an_alarm_is_not_whole(longhaul):
    run = longhaul.drive(longhaul.start(ordering, input={"fails_at": "reserve"}))
    longhaul.check(run)
    Entry.objects.filter(stream_id=run.pk, type="run.created").update(type="run.failed")
    Step.objects.filter(run=run).delete()
    with pytest.raises(AssertionError, match="nothing will ever happen to it") as broken:
        longhaul.check(run)
    assert "the end that its log tells is run.failed" in str(broken.value)
