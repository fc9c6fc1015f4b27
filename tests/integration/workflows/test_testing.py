"""The test helpers that teams get: driving, the scripted model, faults, what is asserted, and their own guards."""

from collections.abc import Generator
from datetime import timedelta
from typing import get_args
from uuid import uuid4

import pytest
from django.db import connection
from pydantic import BaseModel

from outbox.clock import CLOCK
from outbox.models import Entry
from streaming.llm import ModelUnavailable, Prompt
from tests.flows import asking, fanning, ledger, ordering, undoing
from workflows import services
from workflows.definitions import Retry, Workflow, registry, step
from workflows.models import Attempt, Run, Step
from workflows.states import RunState
from workflows.testing import Died, Unscripted
from workflows.testing.faults import MOMENTS, FaultKind
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


@pytest.fixture
def define():
    """`define(step)`: a workflow of these steps, forgotten at the end."""
    made = []

    def make(*steps, **options) -> Workflow:
        made.append(
            Workflow(f"test-{uuid4()}", version=1, input=Nothing, title="x", steps=list(steps), **options)
        )
        return made[-1]

    yield make
    for workflow in made:
        registry.forget(workflow)


@step(title="Writing", items=Word, item_key="text", retry=Retry(attempts=3))
def write(ctx) -> Generator[Word, None, int]:
    result = yield from ctx.generate(Prompt(system="", text="go on"), items=Word)
    return result.rejected


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


def test_a_step_that_this_process_has_no_code_for_is_waited_for_and_then_said(longhaul, define, monkeypatch):
    run = longhaul.start(define(write))
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


def test_a_scripted_stream_may_be_cut_anywhere(longhaul, define):
    longhaul.model.script('{"text":"a"}\n{"text":"b"}', Word(text="c"), {"text": "d"}, chunk_chars=3)
    run = longhaul.finish(longhaul.start(define(write)))
    assert [item["text"] for item in longhaul.items(run)] == ["a", "b", "c", "d"]


def test_an_answer_that_breaks_off_is_gone_on_with(longhaul, define):
    longhaul.model.script(Word(text="a"), ModelUnavailable("The model is away."))
    longhaul.model.script(Word(text="b"), '{"te', finish="length")
    longhaul.model.script(Word(text="c"))
    run = longhaul.finish(longhaul.start(define(write)))
    assert longhaul.attempts(run, "write") == ["failed", "failed", "completed"]
    assert [item["text"] for item in longhaul.items(run)] == ["a", "b", "c"]
    assert [len(prompt.done) for prompt in longhaul.model.prompts] == [0, 1, 2]
    assert longhaul.model.closed_count == 3
    assert longhaul.model.answers_left == 0


def test_an_answer_that_nobody_scripted_fails_the_test_and_not_the_step(longhaul, define):
    run = longhaul.start(define(write))
    with pytest.raises(Unscripted, match="asked 1 times, and no answer is left"):
        longhaul.finish(run)
    assert longhaul.attempts(run, "write") == ["running"]


# --- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DEATHS)
def test_wherever_a_worker_dies_the_run_completes(longhaul, kind):
    for name in ("reserve", "list_parts", "charge"):
        longhaul.fault(name, kind)
    run = longhaul.finish(longhaul.start(ordering))
    assert run.state == RunState.COMPLETED
    longhaul.check(run)
    # The idle limit of list_parts is shorter than a lease, so it is what rings.
    for name, lost in (("reserve", "lost"), ("list_parts", "timed_out"), ("charge", "lost")):
        first = [] if kind == "die_after_commit" else [lost]
        assert longhaul.attempts(run, name) == [*first, "completed"]
    bodies = {"die_before_body": 1, "die_after_commit": 1}.get(kind, 2)
    assert [what for what, _ in ledger].count("charge") == bodies


def test_after_a_death_the_lease_is_held_until_time_has_passed(longhaul):
    longhaul.fault("reserve", "die_after_body")
    run = longhaul.drive(longhaul.start(ordering))
    reserve = run.steps.get(name="reserve")
    assert (reserve.state, reserve.holder) == ("running", longhaul.holder)
    longhaul.sweep(after_seconds=29)
    assert longhaul.attempts(run, "reserve") == ["running"]
    longhaul.sweep(after_seconds=1)
    assert longhaul.attempts(run, "reserve") == ["lost"]


def test_a_worker_may_die_after_some_items_which_are_kept(longhaul):
    longhaul.fault("list_parts", "die_in_body", after_items=2)
    run = longhaul.finish(longhaul.start(ordering))
    written = run.items.order_by("index").values_list("data__text", "attempt")
    assert list(written) == [("shade", 1), ("bulb", 1), ("foot", 2)]
    longhaul.check(run)


def test_a_step_that_kills_its_worker_each_time_ends(longhaul):
    longhaul.fault("reserve", "die_in_body", times=3)
    run = longhaul.finish(longhaul.start(ordering))
    assert (run.state, run.error["code"]) == (RunState.FAILED, "worker-lost")
    longhaul.check(run)


def test_a_worker_that_loses_its_lease_in_the_middle_writes_nothing_more(longhaul):
    longhaul.fault("list_parts", "lose_lease", after_items=1)
    longhaul.fault("charge", "lose_lease")
    run = longhaul.finish(longhaul.start(ordering))
    assert run.state == RunState.COMPLETED
    assert longhaul.attempts(run, "list_parts") == ["lost", "completed"]
    assert longhaul.attempts(run, "charge") == ["lost", "completed"]
    assert list(run.items.order_by("index").values_list("attempt", flat=True)) == [1, 2, 2]
    longhaul.check(run)


def test_a_message_that_comes_twice_does_the_work_once(longhaul):
    for name in ("reserve", "list_parts", "charge"):
        longhaul.fault(name, "deliver_twice")
    run = longhaul.finish(longhaul.start(ordering))
    assert [what for what, _ in ledger] == ["reserve", "list_parts", "charge"]
    assert Attempt.objects.filter(step__run=run).count() == 3


def test_an_undo_meets_its_own_faults(longhaul):
    longhaul.fault("reserve", "die_after_body", undo=True)
    run = longhaul.finish(longhaul.start(undoing, input={"fails_at": "charge", "error": "fatal"}))
    assert run.state == RunState.COMPENSATED
    assert longhaul.attempts(run, "reserve") == ["completed"]
    assert longhaul.attempts(run, "reserve", undo=True) == ["lost", "completed"]
    longhaul.check(run)


def test_a_part_of_a_fan_out_is_named_alone_or_with_its_siblings(longhaul):
    longhaul.fault("weigh[1]", "die_after_body")
    longhaul.fault("weigh", "die_before_body")
    run = longhaul.finish(longhaul.start(fanning))
    tries = [longhaul.attempts(run, f"weigh[{index}]") for index in range(3)]
    assert tries == [["lost", "completed"], ["lost", "completed"], ["completed"]]
    longhaul.check(run)


def test_something_else_may_happen_while_a_step_is_at_work(longhaul):
    run = longhaul.start(ordering)
    longhaul.during("list_parts", lambda: longhaul.cancel(run), after_items=2)
    run = longhaul.finish(run)
    assert run.state == RunState.CANCELLED
    assert longhaul.attempts(run, "list_parts") == ["cancelled"]
    assert len(longhaul.items(run)) == 2
    longhaul.check(run)


def test_a_handler_cannot_swallow_its_death_nor_write_after_it(longhaul, define):
    @step(title="Clinging", items=Word, retry=Retry(attempts=2))
    def cling(ctx) -> Generator[Word, None, int]:
        try:
            yield Word(text="a")
            yield Word(text="b")
        except Exception:
            raise AssertionError("a death is no error of the handler") from None
        finally:
            ctx.say("Still here")
        return 0

    longhaul.fault("cling", "die_in_body", after_items=1)
    run = longhaul.finish(longhaul.start(define(cling)))
    assert longhaul.attempts(run, "cling") == ["lost", "completed"]
    assert longhaul.messages(run) == ["Still here"]


def test_a_fault_that_does_not_exist_is_refused(longhaul):
    with pytest.raises(ValueError, match="no fault 'die_of_boredom'; there are die_before_body"):
        longhaul.fault("reserve", "die_of_boredom")


def test_a_fault_that_never_happened_is_told(longhaul):
    longhaul.fault("reserve", "die_in_body", after_items=9)
    longhaul.finish(longhaul.start(ordering))
    with pytest.raises(AssertionError, match="never happened: die_in_body of reserve after 9 items"):
        longhaul.expect_no_fault_left()
    longhaul._faults.clear()


def test_each_kind_of_fault_has_its_moments():
    assert set(MOMENTS) == set(get_args(FaultKind))
    assert not issubclass(Died, Exception)


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
