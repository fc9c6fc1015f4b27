import pytest
from django.db import OperationalError

from tests import flows
from tests.factories import NOW, make_run
from tests.integration.workflows.test_leases import name_of_a_dead_process
from workflows.models import Attempt, Run, Step
from workflows.services import sweep as sweeping
from workflows.states import AttemptState, RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch) -> list[list[str]]:
    """Labels of the chains that were sent."""
    chains: list[list[str]] = []
    monkeypatch.setattr(
        "workflows.services.sweep.send", lambda links: chains.append([link.label for link in links])
    )
    monkeypatch.setattr(
        "workflows.dispatch.send", lambda links: chains.append([link.label for link in links])
    )
    return chains


def step_of(owner, *states: StepState) -> Step:
    return make_run(owner, steps=states).steps.get(position=len(states) - 1)


def test_a_step_that_was_sent_and_not_taken_is_sent_again_with_the_rest_of_the_run(owner, engine, sent):
    step_of(owner, StepState.READY)
    assert engine.sweep(after_seconds=9) == 0
    assert engine.sweep(after_seconds=2) == 1
    assert [len(chain) for chain in sent] == [3]


def test_each_fruitless_send_doubles_the_wait_so_that_a_long_queue_is_not_flooded(owner, engine, sent):
    step = step_of(owner, StepState.READY)
    waits = []
    for _ in range(8):
        step = Step.objects.get(pk=step.pk)
        engine.clock.moment = step.due_at
        engine.sweep()
        waits.append((Step.objects.get(pk=step.pk).due_at - engine.clock.now()).total_seconds())
    assert waits == [20, 40, 80, 160, 300, 300, 300, 300]
    assert len(sent) == 8


def test_a_back_off_that_is_over_makes_the_step_ready_and_sends_it(owner, engine, sent):
    step = step_of(owner, StepState.RETRYING)
    engine.sweep(after_seconds=11)
    assert Step.objects.get(pk=step.pk).state == StepState.READY
    assert len(sent) == 1


def test_a_lease_that_ran_out_is_a_lost_attempt_that_is_tried_again(owner, engine, sent):
    step = step_of(owner, StepState.RUNNING)
    assert engine.sweep(after_seconds=29) == 0
    engine.sweep(after_seconds=2)
    step = Step.objects.get(pk=step.pk)
    assert (step.state, step.outcome_unknown) == (StepState.RETRYING, True)
    assert step.attempts.get().state == AttemptState.LOST


def test_an_attempt_past_its_deadline_is_timed_out_although_its_lease_is_renewed(owner, engine, sent):
    step = step_of(owner, StepState.RUNNING)
    Step.objects.filter(pk=step.pk).update(lease_expires_at=NOW.replace(year=2027), due_at=step.deadline_at)
    engine.sweep(after_seconds=61)
    assert Attempt.objects.get().state == AttemptState.TIMED_OUT
    assert Step.objects.get(pk=step.pk).error["code"] == "step-timed-out"


def test_a_step_that_falls_silent_is_timed_out_before_its_deadline(owner, engine, sent):
    step = step_of(owner, StepState.COMPLETED, StepState.RUNNING)
    Step.objects.filter(pk=step.pk).update(lease_expires_at=NOW.replace(year=2027))
    engine.sweep(after_seconds=21)
    assert Step.objects.get(pk=step.pk).error["code"] == "step-idle"


def test_an_alarm_that_rings_early_is_set_again(owner, engine, sent):
    step = step_of(owner, StepState.RUNNING)
    Step.objects.filter(pk=step.pk).update(due_at=NOW)
    engine.sweep(after_seconds=1)
    step = Step.objects.get(pk=step.pk)
    assert (step.state, step.due_at) == (StepState.RUNNING, step.lease_expires_at)


def test_a_worker_that_died_on_this_host_is_noticed_before_its_lease_runs_out(owner, engine, sent):
    step = step_of(owner, StepState.RUNNING)
    Step.objects.filter(pk=step.pk).update(holder=name_of_a_dead_process())
    engine.sweep(after_seconds=1)
    assert Step.objects.get(pk=step.pk).state == StepState.RETRYING


def test_a_step_that_kills_its_worker_each_time_ends_after_its_attempts(owner, engine, sent):
    step = step_of(owner, StepState.READY)
    for _ in range(3):
        assert engine.acquire(step) is not None
        engine.sweep(after_seconds=31)  # lost
        engine.sweep(after_seconds=31)  # its back-off is over
    step = Step.objects.get(pk=step.pk)
    assert (step.state, step.attempt_count) == (StepState.FAILED, 3)
    assert step.run.state == RunState.FAILED
    assert Run.objects.get().error["code"] == "worker-lost"


def test_the_undo_of_a_step_whose_outcome_is_unknown_runs_without_output(owner, operator, engine, sent):
    from tests.flows import ledger
    from workflows import services

    step = step_of(owner, StepState.READY)
    for _ in range(3):
        engine.acquire(step)
        engine.sweep(after_seconds=31)
        engine.sweep(after_seconds=31)
    ledger.clear()
    run = services.compensate(step.run_id, by=operator, clock=engine.clock)
    engine.work(Step.objects.get(pk=step.pk))
    assert ledger == [("release", None)]
    run.refresh_from_db()
    assert run.state == RunState.COMPENSATED


def test_a_step_that_cannot_be_swept_does_not_keep_the_others_from_their_alarms(owner, engine, sent):
    poisoned = step_of(owner, StepState.READY)
    Run.objects.filter(pk=poisoned.run_id).update(plan={"steps": [{}]})
    Step.objects.filter(pk=poisoned.pk).update(due_at=NOW)
    healthy = step_of(owner, StepState.RUNNING)
    engine.sweep(after_seconds=31)
    assert Step.objects.get(pk=healthy.pk).state == StepState.RETRYING
    assert (Step.objects.get(pk=poisoned.pk).due_at - engine.clock.now()).total_seconds() == 300


def test_a_passing_error_of_the_database_does_not_put_an_alarm_off(owner, engine, sent, monkeypatch):
    step = step_of(owner, StepState.RUNNING)
    take_up, failures = sweeping._take_up, [OperationalError("database is locked")]

    def fail_once(*args, **options):
        if failures:
            raise failures.pop()
        return take_up(*args, **options)

    monkeypatch.setattr(sweeping, "_take_up", fail_once)
    engine.sweep(after_seconds=31)
    engine.sweep(after_seconds=1)
    assert Step.objects.get(pk=step.pk).state == StepState.RETRYING


def test_a_send_that_the_broker_refused_is_tried_again_soon_and_does_not_double_the_wait(
    owner, engine, monkeypatch
):
    tried = []

    def refuse(links):
        tried.append(links)
        raise OSError("the broker is away")

    monkeypatch.setattr("workflows.services.sweep.send", refuse)
    steps = [step_of(owner, StepState.READY) for _ in range(3)]
    engine.sweep(after_seconds=11)
    assert len(tried) == 1, "a broker that is away is not asked again in the same sweep"
    for step in steps:
        step = Step.objects.get(pk=step.pk)
        assert ((step.due_at - engine.clock.now()).total_seconds(), step.dispatch_count) == (10, 0)


def test_the_plan_of_a_later_release_can_be_read(owner, engine, sent):
    step = step_of(owner, StepState.READY)
    plan = step.run.plan
    plan["steps"][0]["a_field_of_the_future"] = 1
    Run.objects.filter(pk=step.run_id).update(plan=plan)
    engine.sweep(after_seconds=11)
    assert len(sent) == 1


def test_finished_runs_have_no_alarm(owner, engine, sent):
    step_of(owner, StepState.COMPLETED, StepState.COMPLETED, StepState.COMPLETED)
    assert engine.sweep(after_seconds=100_000) == 0


def test_a_run_that_is_locked_or_large_does_not_keep_the_alarms_of_others_from_ringing(
    owner, engine, sent, settings
):
    settings.LONGHAUL = {**settings.LONGHAUL, "SWEEP_BATCH_SIZE": 5}
    large = engine.start(flows.fanning, input={"parts": list(range(20))}, owner=owner)
    engine.work(large.steps.get(name="pack"))
    other = engine.start(flows.ordering, owner=owner)
    due_at = other.steps.get(name="reserve").due_at
    engine.sweep(after_seconds=11)
    assert other.steps.get(name="reserve").due_at > due_at


@pytest.fixture
def busy(monkeypatch) -> None:
    monkeypatch.setattr("workflows.services.queues.count_messages", lambda names: dict.fromkeys(names, 99))


def test_a_long_queue_is_not_flooded(owner, engine, sent, busy):
    """Ready steps behind a slow worker for 10 minutes cost at most 1.5 messages each."""
    run = engine.start(flows.fanning, input={"parts": list(range(10))}, owner=owner)
    engine.work(run.steps.get(name="pack"))
    sent.clear()
    for _ in range(600):
        engine.sweep(after_seconds=1)
    assert len(sent) <= 5


def test_parts_in_a_long_queue_are_looked_at_together(
    owner, engine, sent, busy, django_assert_max_num_queries
):
    run = engine.start(flows.fanning, input={"parts": list(range(40))}, owner=owner)
    engine.work(run.steps.get(name="pack"))
    with django_assert_max_num_queries(12):
        engine.sweep(after_seconds=11)
    assert not run.steps.filter(parent__isnull=False, due_at__lte=engine.clock.now()).exists()


def test_a_message_lost_from_a_queue_that_was_long_is_missed_once_it_is_short(
    owner, engine, sent, monkeypatch
):
    monkeypatch.setattr("workflows.services.queues.count_messages", lambda names: dict.fromkeys(names, 99))
    run = engine.start(flows.ordering, owner=owner)
    engine.sweep(after_seconds=11)
    monkeypatch.setattr("workflows.services.queues.count_messages", lambda names: dict.fromkeys(names, 0))
    sent.clear()
    engine.sweep(after_seconds=31)
    assert len(sent) == 1
    assert run.steps.get(name="reserve").dispatch_count == 1


def test_a_dead_worker_is_found_beside_steps_that_wait_in_a_long_queue(owner, engine, sent, busy):
    run = engine.start(flows.fanning_back, input={"fails": ["total"]}, owner=owner)
    while ready := run.steps.filter(state=StepState.READY).order_by("position", "index").first():
        engine.work(ready)
    held = run.steps.get(name="weigh[2]")
    assert engine.acquire(held) is not None
    engine.sweep(after_seconds=31)
    assert run.steps.get(name="weigh[2]").lease_token is None


@pytest.mark.parametrize("messages", [0, 99])
def test_a_step_that_was_sent_many_times_for_nothing_is_still_sent(
    owner, engine, sent, monkeypatch, messages
):
    """Days without a worker that has its code."""
    monkeypatch.setattr(
        "workflows.services.queues.count_messages", lambda names: dict.fromkeys(names, messages)
    )
    run = engine.start(flows.ordering, owner=owner)
    run.steps.filter(name="reserve").update(dispatch_count=5_000)
    sent.clear()
    engine.sweep(after_seconds=20 * 365 * 86_400)
    assert len(sent) == 1
