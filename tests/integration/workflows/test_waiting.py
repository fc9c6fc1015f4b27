"""Waits: nothing runs until a signal or the time answers; and the deadline of a run."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.flows import asking, ledger, ordering
from workflows.errors import InvalidInput, InvalidTransition
from workflows.models import Attempt, Run
from workflows.services import cancel, retry, signal, skip, start
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


def waiting(owner, engine) -> Run:
    run = start(asking, input={}, owner=owner, clock=engine.clock)
    engine.drive(run)
    run.refresh_from_db()
    return run


def states(run: Run) -> dict[str, str]:
    return dict(run.steps.values_list("name", "state"))


def test_a_run_that_only_waits_says_so_and_holds_neither_lease_nor_attempt(owner, engine, log):
    run = waiting(owner, engine)
    assert (run.state, states(run)["approval"]) == (RunState.WAITING, "waiting")
    assert not run.steps.filter(lease_token__isnull=False).exists()
    assert not Attempt.objects.filter(step__name="approval").exists()
    assert log(run)[-2:] == ["step.waiting", "run.waiting"]


def test_an_answer_is_validated_stored_and_read_by_later_steps(owner, engine, operator, log):
    run = waiting(owner, engine)
    with pytest.raises(InvalidInput) as refused:
        signal(run.pk, by=operator, name="approval", payload={"approved": "perhaps"}, clock=engine.clock)
    assert refused.value.errors[0][0] == "/approved"

    signal(run.pk, by=operator, name="approval", payload={"approved": True}, clock=engine.clock)

    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert run.steps.get(name="approval").output == {"approved": True, "comment": ""}
    assert log(run)[-3:] == ["operator.action", "input.received", "step.completed"]
    assert engine.finish(run).state == RunState.COMPLETED


def test_an_answer_that_comes_twice_or_to_nobody_is_refused(owner, engine, operator):
    run = waiting(owner, engine)
    signal(run.pk, by=operator, name="approval", payload={"approved": True}, clock=engine.clock)
    with pytest.raises(InvalidTransition):
        signal(run.pk, by=operator, name="approval", payload={"approved": False}, clock=engine.clock)
    other = waiting(owner, engine)
    with pytest.raises(InvalidTransition, match="pause is pending"):
        signal(other.pk, by=operator, name="pause", clock=engine.clock)


def test_nobody_answered_in_time_so_the_run_fails_and_a_retry_asks_again(owner, engine, operator):
    run = waiting(owner, engine)
    engine.sweep(after_seconds=3_601)
    run.refresh_from_db()
    assert (run.state, run.error["code"]) == (RunState.FAILED, "wait-timed-out")
    run = retry(run.pk, by=operator, clock=engine.clock)
    assert run.state == RunState.WAITING
    step = run.steps.get(name="approval")
    assert step.due_at == engine.clock.now() + timedelta(seconds=3_600)
    signal(run.pk, by=operator, name="approval", payload={"approved": True}, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED


def test_a_timer_completes_by_itself(owner, engine, operator):
    run = waiting(owner, engine)
    signal(run.pk, by=operator, name="approval", payload={"approved": True}, clock=engine.clock)
    engine.drive(run)
    assert states(run)["pause"] == "waiting"
    engine.sweep(after_seconds=59)
    assert states(run)["pause"] == "waiting"
    engine.sweep(after_seconds=2)
    assert states(run)["pause"] == "completed"
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_a_wait_can_be_skipped_with_an_answer_that_fits(owner, engine, operator):
    run = waiting(owner, engine)
    with pytest.raises(InvalidInput, match="takes a reason"):
        skip(run.pk, by=operator, step="approval", reason=" ", clock=engine.clock)
    skip(
        run.pk,
        by=operator,
        step="approval",
        output={"approved": True},
        reason="told by phone",
        clock=engine.clock,
    )
    assert engine.finish(run).state == RunState.COMPLETED


def test_a_waiting_run_is_cancelled_at_once(owner, engine, operator, log):
    run = waiting(owner, engine)
    run = cancel(run.pk, by=operator, clock=engine.clock)
    assert run.state == RunState.CANCELLED
    assert states(run)["approval"] == "cancelled"
    assert log(run)[-1] == "run.cancelled"


def test_a_run_past_its_deadline_fails_wherever_it_stands(owner, engine, operator):
    run = waiting(owner, engine)
    signal(run.pk, by=operator, name="approval", payload={"approved": True}, clock=engine.clock)
    ledger.clear()
    engine.sweep(after_seconds=7_201)
    run.refresh_from_db()
    assert (run.state, run.error["code"]) == (RunState.FAILED, "run-deadline-passed")
    assert states(run)["label"] == "pending"
    assert engine.acquire(run.steps.get(name="label")) is None
    run = retry(run.pk, by=operator, clock=engine.clock)
    assert run.deadline_at == engine.clock.now() + timedelta(seconds=7_200), "a new round, a new deadline"
    assert engine.finish(run).state == RunState.COMPLETED


def test_at_the_deadline_a_step_at_work_is_fenced_off_and_not_tried_again(owner, engine, operator):
    run = waiting(owner, engine)
    signal(run.pk, by=operator, name="approval", payload={"approved": True}, clock=engine.clock)
    engine.clock.turn(7_195)
    lease = engine.acquire(run.steps.get(name="label"))
    assert lease is not None
    assert run.steps.get(name="label").due_at == run.deadline_at, "the alarm is never set past the deadline"
    engine.sweep(after_seconds=6)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert Attempt.objects.get(step__name="label").state == "timed_out"
    assert run.steps.get(name="label").outcome_unknown


def test_a_run_that_begins_later_rings_when_its_time_has_come(owner, engine):
    begins = engine.clock.now() + timedelta(seconds=100)
    run = start(asking, input={}, owner=owner, not_before=begins, clock=engine.clock)
    assert states(run)["pack"] == "pending"
    assert engine.acquire(run.steps.get(name="pack")) is None
    engine.sweep(after_seconds=99)
    assert states(run)["pack"] == "pending"
    engine.sweep(after_seconds=2)
    assert states(run)["pack"] == "ready"
    engine.drive(run)
    run.refresh_from_db()
    assert run.state == RunState.WAITING


EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    "begins",
    [datetime.max.replace(tzinfo=WEST), datetime.max.replace(tzinfo=UTC), datetime(2036, 11, 23, tzinfo=UTC)],
    ids=["beyond the calendar", "at its end", "ten years"],
)
def test_a_run_does_not_wait_longer_than_the_limit_to_begin(owner, engine, begins):
    with pytest.raises(InvalidInput) as refused:
        start(asking, input={}, owner=owner, not_before=begins, clock=engine.clock)
    assert refused.value.errors[0][:2] == ("/not_before", "too_far_ahead")
    assert not Run.objects.exists()


def test_a_begin_without_a_zone_is_refused(owner, engine):
    with pytest.raises(InvalidInput, match="zone"):
        start(asking, input={}, owner=owner, not_before=datetime(2026, 12, 1), clock=engine.clock)


def test_a_begin_that_is_over_in_whatever_zone_begins_now(owner, engine):
    begins = datetime.min.replace(tzinfo=EAST)
    run = start(asking, input={}, owner=owner, not_before=begins, clock=engine.clock)
    assert states(run)["pack"] == "ready"
    assert run.deadline_at == engine.clock.now() + timedelta(seconds=7_200)


def test_a_run_that_has_not_begun_can_be_cancelled(owner, engine, operator):
    begins = engine.clock.now() + timedelta(seconds=100)
    run = start(asking, input={}, owner=owner, not_before=begins, clock=engine.clock)
    assert cancel(run.pk, by=operator, clock=engine.clock).state == RunState.CANCELLED
    assert engine.sweep(after_seconds=101) == 0


def test_skipping_a_step_of_a_run_that_begins_later_does_not_begin_it(owner, engine, operator):
    begins = engine.clock.now() + timedelta(days=7)
    run = engine.start(ordering, owner=owner, not_before=begins)
    engine.skip(run, "charge", "paid in the shop", by=operator)
    assert engine.states(run) == {"reserve": "pending", "list_parts": "pending", "charge": "skipped"}
    engine.skip(run, "reserve", {"text": "kept"}, by=operator)
    assert engine.states(run)["list_parts"] == "pending", "whichever step is first now waits in its place"
    assert run.steps.get(name="list_parts").due_at == begins
    engine.check(run)
    assert engine.sweep(after_seconds=6 * 86_400) == 0
    engine.sweep(after_seconds=86_400)
    assert engine.states(run)["list_parts"] == "ready"
    assert engine.finish(run).state == RunState.COMPLETED


def test_a_run_that_begins_later_and_has_no_step_left_is_done(owner, engine, operator):
    run = engine.start(ordering, owner=owner, not_before=engine.clock.now() + timedelta(days=7))
    for step, output in (("reserve", {"text": "kept"}), ("list_parts", 0), ("charge", "paid")):
        engine.skip(run, step, output, by=operator)
    run.refresh_from_db()
    assert run.state == RunState.COMPLETED
