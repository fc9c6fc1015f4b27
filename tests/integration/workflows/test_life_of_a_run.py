import pytest
from django.db import OperationalError

from outbox.models import Entry, Stream
from tests.flows import ledger, ordering, undoing
from workflows import events, services
from workflows.engine.outcomes import ErrorInfo, Failed, Succeeded
from workflows.errors import InvalidInput, InvalidTransition
from workflows.models import AuditEntry, Run
from workflows.services import settling
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


def begin(owner, clock, workflow=ordering, **input) -> Run:
    return services.start(workflow, input=input, owner=owner, clock=clock)


def states(run: Run) -> list[str]:
    return list(run.steps.order_by("position").values_list("state", flat=True))


def test_start_writes_run_steps_stream_and_event_together(owner, clock, log):
    run = begin(owner, clock, name="a lamp")
    assert (run.state, run.title) == (RunState.PENDING, "Order of a lamp")
    assert states(run) == ["ready", "pending", "pending"]
    assert log(run) == ["run.created"]
    assert Stream.objects.get(key=run.id).head == 1


def test_input_that_does_not_fit_is_refused_with_a_pointer_and_leaves_nothing(owner, clock):
    with pytest.raises(InvalidInput) as refused:
        begin(owner, clock, undo_fails="often")
    assert refused.value.errors[0][0] == "/undo_fails"
    assert not Run.objects.exists()


def test_a_run_goes_through_its_steps_and_tells_each_change(owner, clock, engine, log):
    run = begin(owner, clock)
    engine.drive(run)

    run = Run.objects.get()
    assert run.state == RunState.COMPLETED
    assert states(run) == ["completed"] * 3
    assert [step for step, _ in ledger] == ["reserve", "list_parts", "charge"]
    assert run.steps.get(name="charge").output == "a lamp reserved and paid"
    assert [type for type in log(run) if not type.startswith("attempt.")] == [
        "run.created",
        "run.started",
        "step.started",
        "step.completed",
        "step.started",
        "item.committed",
        "item.committed",
        "item.committed",
        "step.completed",
        "step.started",
        "step.completed",
        "run.completed",
    ]


def test_seq_has_no_hole_and_every_event_fits_its_schema(owner, clock, engine):
    run = begin(owner, clock)
    engine.drive(run)
    entries = list(Entry.objects.filter(stream_id=run.id).order_by("seq"))
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        events.TYPES[entry.type].model_validate(entry.payload)
    assert Stream.objects.get(key=run.id).closed


def test_items_are_rows_with_the_seq_of_their_event(owner, clock, engine):
    run = begin(owner, clock)
    engine.drive(run)
    rows = list(run.items.order_by("index"))
    assert [(row.index, row.key, row.data) for row in rows] == [
        (0, "shade", {"text": "shade"}),
        (1, "bulb", {"text": "bulb"}),
        (2, "foot", {"text": "foot"}),
    ]
    for row in rows:
        assert Entry.objects.get(stream_id=run.id, seq=row.seq).payload["index"] == row.index


def test_a_passing_failure_is_retried_after_its_back_off_and_then_gives_up(owner, clock, engine, log):
    run = begin(owner, clock, fails_at="reserve")
    engine.drive(run)
    assert states(run) == ["retrying", "pending", "pending"]

    assert engine.sweep() == 0  # not due yet
    engine.sweep(after_seconds=1)
    engine.drive(run)
    engine.sweep(after_seconds=2)
    engine.drive(run)

    run.refresh_from_db()
    assert (run.state, states(run)) == (RunState.FAILED, ["failed", "pending", "pending"])
    assert run.error["detail"] == "The shop is closed."
    assert [attempt for _, attempt in ledger] == [1, 2, 3]
    assert log(run)[-2:] == ["step.failed", "run.failed"]


def test_a_fatal_failure_is_not_retried(owner, clock, engine):
    run = begin(owner, clock, fails_at="reserve", error="fatal")
    engine.drive(run)
    run.refresh_from_db()
    assert (run.state, run.error["code"]) == (RunState.FAILED, "out-of-stock")
    assert run.steps.get(name="reserve").attempts.count() == 1


def test_an_operator_lets_a_failed_run_go_on_from_its_failed_step(owner, operator, clock, engine, log):
    run = begin(owner, clock, fails_at="charge", error="fatal")
    engine.drive(run)
    Run.objects.update(input={**run.input, "fails_at": ""})

    services.retry(run.id, by=operator, reason="the till is mended", clock=clock)
    engine.drive(run)

    run.refresh_from_db()
    assert run.state == RunState.COMPLETED
    assert [step for step, _ in ledger] == ["reserve", "list_parts", "charge", "charge"]
    charge = run.steps.get(name="charge")
    assert (charge.attempt_count, charge.max_attempts) == (2, 3)
    audit = AuditEntry.objects.get()
    assert (audit.actor, audit.action, audit.reason) == (operator, "retry", "the till is mended")
    assert (audit.before, audit.after) == ("failed", "running")
    tail = log(run)[log(run).index("run.failed") :]
    assert tail[1:3] == ["operator.action", "run.resumed"]


def test_undo_compensates_completed_steps_newest_first(owner, operator, clock, engine, log):
    run = begin(owner, clock)
    engine.drive(run)
    ledger.clear()

    services.compensate(run.id, by=operator, clock=clock)
    engine.drive(run)

    run.refresh_from_db()
    assert run.state == RunState.COMPENSATED
    assert states(run) == ["compensated", "completed", "compensated"]
    assert [what for what, _ in ledger] == ["refund", "release"]
    assert ledger[1][1].text == "a lamp reserved"  # the undo is given what the step returned, typed
    tail = [
        type for type in log(run)[log(run).index("run.completed") + 1 :] if not type.startswith("attempt.")
    ]
    assert tail == [
        "operator.action",
        "run.compensating",
        "compensation.started",
        "compensation.completed",
        "compensation.started",
        "compensation.completed",
        "run.compensated",
    ]


def test_a_workflow_may_undo_by_itself_when_it_fails(owner, clock, engine, log):
    run = begin(owner, clock, undoing, fails_at="charge", error="fatal")
    engine.drive(run)
    run.refresh_from_db()
    assert run.state == RunState.COMPENSATED
    assert states(run) == ["compensated", "completed", "failed"]
    assert run.error["code"] == "out-of-stock"
    assert log(run)[-1] == "run.compensated"
    assert "run.failed" not in log(run)


def test_an_outcome_once_unknown_stays_unknown_until_the_step_completes(owner, clock, engine):
    """Attempt 1 vanished, perhaps after it charged the card; attempt 2 failed for certain: the undo still runs."""
    run = begin(owner, clock, undoing, fails_at="charge", error="fatal")
    engine.work(run.steps.get(name="reserve"))
    engine.work(run.steps.get(name="list_parts"))
    assert engine.acquire(run.steps.get(name="charge")) is not None
    engine.sweep(after_seconds=31)  # its worker vanished
    engine.sweep(after_seconds=31)
    engine.drive(run)
    run.refresh_from_db()
    assert run.state == RunState.COMPENSATED
    assert ("refund", None) in ledger


def test_an_outcome_that_the_database_refuses_fails_the_step_at_once(owner, clock, engine, monkeypatch):
    run = begin(owner, clock)
    lease = engine.acquire(run.steps.get(name="reserve"))
    outcome, opened = settling.settle_for_certain(
        lease, Succeeded(output={"text": float("nan")}), clock=clock, roll=0.5
    )
    assert (outcome.error.code, opened) == ("unsettled", [])
    run.refresh_from_db()
    assert (run.state, run.error["code"]) == (RunState.FAILED, "unsettled")


def test_a_connection_that_died_during_the_body_does_not_cost_the_work(owner, clock, engine, monkeypatch):
    run = begin(owner, clock)
    lease = engine.acquire(run.steps.get(name="reserve"))
    settle, tries = settling._settle, []

    def fail_first(*args, **options):
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the server closed the connection")
        return settle(*args, **options)

    monkeypatch.setattr(settling, "_settle", fail_first)
    monkeypatch.setattr(settling, "SETTLE_PAUSE_SECONDS", 0)
    _, opened = settling.settle_for_certain(lease, Succeeded(output={"text": "done"}), clock=clock, roll=0.5)
    assert len(opened) == 1


def test_a_wait_that_another_side_asks_for_has_a_limit(owner, clock, engine):
    run = begin(owner, clock)
    lease = engine.acquire(run.steps.get(name="reserve"))
    error = ErrorInfo(code="busy", detail="Come back later.", retryable=True)
    engine.settle(lease, Failed(error=error, retry_after_seconds=1e13))
    step = run.steps.get(name="reserve")
    assert (step.due_at - clock.now()).total_seconds() == 86_400


def test_a_round_by_hand_backs_off_from_the_start(owner, operator, clock, engine):
    run = begin(owner, clock, fails_at="reserve")
    for _ in range(3):
        engine.drive(run)
        engine.sweep(after_seconds=60)
    services.retry(run.id, by=operator, clock=clock)
    engine.drive(run)
    step = run.steps.get(name="reserve")
    assert step.attempt_count == 4
    assert (step.due_at - clock.now()).total_seconds() == 0.5


def test_nul_in_what_a_caller_sends_is_replaced_and_stored(owner, clock):
    run = services.start(ordering, input={"name": "a\x00lamp"}, title="For\x00you", owner=owner, clock=clock)
    run.refresh_from_db()
    assert (run.input["name"], run.title) == ("a\ufffdlamp", "For\ufffdyou")


def test_what_has_not_begun_is_cancelled_by_an_undo(owner, clock, engine):
    run = begin(owner, clock, undoing, fails_at="list_parts", error="fatal")
    engine.drive(run)
    assert states(run) == ["compensated", "failed", "cancelled"]


def test_a_failing_undo_is_retried_and_then_loud_and_can_be_resumed(owner, operator, clock, engine, log):
    run = begin(owner, clock, undo_fails=5)
    engine.drive(run)
    services.compensate(run.id, by=operator, clock=clock)
    for _ in range(5):
        engine.drive(run)
        engine.sweep(after_seconds=100)
        step = run.steps.get(name="reserve")
        if step.state == "compensating":
            engine.work(step)

    run.refresh_from_db()
    assert run.state == RunState.COMPENSATION_FAILED
    assert states(run) == ["compensation_failed", "completed", "compensated"]
    assert log(run)[-1] == "run.compensation_failed"
    assert services.allowed_actions(run, list(run.steps.all())) == ["rerun", "compensate", "erase"]

    services.compensate(run.id, by=operator, clock=clock)
    engine.work(run.steps.get(name="reserve"))
    run.refresh_from_db()
    assert run.state == RunState.COMPENSATED


@pytest.mark.parametrize("verb", [services.retry, services.compensate])
def test_a_verb_that_does_not_fit_the_state_is_refused_and_leaves_no_trace(owner, operator, clock, verb, log):
    run = begin(owner, clock)
    with pytest.raises(InvalidTransition) as refused:
        verb(run.id, by=operator, clock=clock)
    assert refused.value.current_state == "pending"
    assert refused.value.allowed_actions == ["cancel", "skip"]
    assert not AuditEntry.objects.exists()
    assert log(run) == ["run.created"]
