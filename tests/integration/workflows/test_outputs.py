"""Large outputs live in the storage; a run that is erased leaves nothing behind but who erased it."""

import hashlib

import pytest
import redis
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import OperationalError
from django.test import Client

from outbox import forgetting, wire
from outbox.models import Entry, Stream
from outbox.redis import client
from tests import flows
from tests.flows import ordering
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook
from workflows import selectors, storage
from workflows.errors import InvalidTransition, LeaseLost, StoredValueLost, Unavailable
from workflows.models import Attempt, AuditEntry, Item, Run, Step
from workflows.services import cancel, erase, fanning, rerun, settling, start
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "a lamp" * 100


@pytest.fixture
def small_rows(settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "INLINE_OUTPUT_BYTES": 200}


def files(run: Run) -> list[str]:
    try:
        return default_storage.listdir(storage.folder_of(run.pk))[1]
    except FileNotFoundError:
        return []


def begin(owner, engine, **input) -> Run:
    return start(ordering, input={"name": LONG, **input}, owner=owner, clock=engine.clock)


def test_a_large_output_is_a_file_with_its_size_and_hash_in_the_row(owner, engine, small_rows):
    run = engine.finish(begin(owner, engine))
    assert run.state == RunState.COMPLETED
    step = run.steps.get(name="reserve")
    assert step.output is None
    assert step.output_file["size"] > 200
    assert len(files(run)) == 2
    assert selectors.result(run) == f"{LONG} reserved and paid"


def test_an_attempt_that_is_fenced_removes_the_file_it_wrote(owner, engine, small_rows):
    run = begin(owner, engine)
    lease = engine.acquire(run.steps.get(name="reserve"))
    outcome = engine.execute(lease)
    engine.sweep(after_seconds=31)
    with pytest.raises(LeaseLost):
        engine.settle(lease, outcome)
    assert files(run) == []


@pytest.mark.parametrize(
    ("damage", "code"), [("remove", "stored-value-missing"), ("change", "stored-value-damaged")]
)
def test_a_file_that_is_gone_or_damaged_is_a_typed_failure_of_the_step_that_needs_it(
    owner, engine, small_rows, damage, code
):
    run = begin(owner, engine)
    engine.work(run.steps.get(name="reserve"))
    name = run.steps.get(name="reserve").output_file["name"]
    if damage == "remove":
        default_storage.delete(name)
    else:
        with open(default_storage.path(name), "ab") as file:
            file.write(b" ")
    run = engine.finish(run)
    assert (run.state, run.error["code"]) == (RunState.FAILED, code)
    assert not run.error["retryable"]
    with pytest.raises(StoredValueLost):
        selectors.read_output(run.steps.get(name="reserve").pk)


def test_a_child_run_has_files_of_its_own(owner, engine, operator, small_rows):
    run = engine.finish(begin(owner, engine))
    child = engine.finish(rerun(run.pk, by=operator, from_step="charge", clock=engine.clock))
    for name in files(run):
        default_storage.delete(f"{storage.folder_of(run.pk)}/{name}")
    assert selectors.result(child) == f"{LONG} reserved and paid"


def test_an_erased_run_leaves_an_audit_entry_without_content(
    owner, engine, operator, small_rows, redis_client
):
    run = engine.finish(begin(owner, engine))
    shard = wire.shard_of(run.pk)
    client().xadd(wire.run_stream(shard, run.pk, 1), {"e": "secret"})
    client().xadd(wire.firehose(shard), {"run": str(run.pk), "e": "secret"})
    client().xadd(wire.firehose(shard), {"run": "another", "e": "other"})

    erase(run.pk, by=operator, reason="asked to", clock=engine.clock)

    for model in (Run, Step, Attempt, Item, Entry, Stream):
        assert not model.objects.exists(), model
    assert files(run) == []
    assert client().exists(wire.run_stream(shard, run.pk, 1)) == 0
    assert [fields[b"run"] for _, fields in client().xrange(wire.firehose(shard))] == [b"another"]
    entry = AuditEntry.objects.get()
    assert (entry.run_id, entry.run_ref, entry.action, entry.actor) == (None, run.pk, "erase", operator)


def test_an_entry_of_before_there_was_a_reference_has_one_once_its_run_is_erased(
    owner, engine, operator, redis_client
):
    run = begin(owner, engine)
    cancel(run.pk, by=operator, clock=engine.clock)
    AuditEntry.objects.update(run_ref=None)
    erase(run.pk, by=operator, clock=engine.clock)
    assert set(AuditEntry.objects.values_list("run_ref", flat=True)) == {run.pk}


def test_a_run_at_work_is_not_erased(owner, engine, operator):
    run = begin(owner, engine)
    with pytest.raises(InvalidTransition, match="cannot erase"):
        erase(run.pk, by=operator, clock=engine.clock)


def test_an_erasing_that_was_cut_short_can_only_be_taken_up_again(
    owner, engine, operator, monkeypatch, redis_client
):
    run = cancel(begin(owner, engine).pk, by=operator, clock=engine.clock)
    with monkeypatch.context() as patch:
        patch.setattr("outbox.forgetting.forget_published", _away)
        with pytest.raises(ConnectionError):
            erase(run.pk, by=operator, clock=engine.clock)
    with pytest.raises(InvalidTransition, match="it can erase"):
        rerun(run.pk, by=operator, clock=engine.clock)
    erase(run.pk, by=operator, clock=engine.clock)
    assert not Run.objects.exists()


def test_while_redis_is_away_an_erasing_asks_to_be_asked_again(
    owner, engine, operator, monkeypatch, redis_client
):
    run = cancel(begin(owner, engine).pk, by=operator, clock=engine.clock)
    browser = Client()
    browser.force_login(operator)
    with monkeypatch.context() as patch:
        patch.setattr("outbox.forgetting.client", _no_redis)
        answer = browser.delete(f"/api/v1/runs/{run.pk}")
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer["Retry-After"]) > 0
        with pytest.raises(Unavailable, match="erase it again"):
            erase(run.pk, by=operator, clock=engine.clock)
    assert browser.delete(f"/api/v1/runs/{run.pk}").status_code == 204
    assert not Run.objects.exists()


def test_redis_that_goes_away_once_the_rows_are_gone_is_told_and_fails_nothing(
    owner, engine, operator, monkeypatch, redis_client, caplog
):
    run = cancel(begin(owner, engine).pk, by=operator, clock=engine.clock)
    real = forgetting.forget_published

    def away_afterwards(key) -> None:
        if not Run.objects.exists():
            raise redis.ConnectionError("away")
        real(key)

    monkeypatch.setattr("outbox.forgetting.forget_published", away_afterwards)
    erase(run.pk, by=operator, clock=engine.clock)
    assert "copies of events may stay in Redis" in caplog.text


def test_what_a_consumer_lined_up_for_webhooks_while_its_run_was_erased_is_erased_too(
    owner, engine, operator, monkeypatch, redis_client
):
    run = cancel(begin(owner, engine).pk, by=operator, clock=engine.clock)
    webhook = make_webhook("https://hooks.example.com/in")
    real = forgetting.forget_published

    def lined_up_meanwhile(key) -> None:
        if not Run.objects.exists():
            make_delivery(webhook, stream=key)
        real(key)

    monkeypatch.setattr("outbox.forgetting.forget_published", lined_up_meanwhile)
    erase(run.pk, by=operator, clock=engine.clock)
    assert not webhook.deliveries.exists()


def test_a_run_whose_input_no_longer_fits_its_workflow_can_be_erased(
    owner, engine, operator, redis_client, monkeypatch, caplog
):
    run = cancel(begin(owner, engine).pk, by=operator, clock=engine.clock)
    Run.objects.filter(pk=run.pk).update(input={"undo_fails": "often"})
    monkeypatch.setattr(ordering, "erase", lambda run_id, value: pytest.fail("with what input?"))
    erase(run.pk, by=operator, clock=engine.clock)
    assert not Run.objects.exists()
    assert "its own files may stay" in caplog.text
    assert "often" not in caplog.text


def _no_redis() -> None:
    raise redis.ConnectionError("Redis is away")


def _away(key) -> None:
    raise ConnectionError("Redis is away")


def test_reasons_of_earlier_actions_go_with_the_run(owner, engine, operator, redis_client):
    run = cancel(begin(owner, engine).pk, by=operator, reason="the customer Smith", clock=engine.clock)
    erase(run.pk, by=operator, clock=engine.clock)
    assert set(AuditEntry.objects.values_list("action", "reason")) == {("cancel", ""), ("erase", "")}


def test_a_storage_that_is_away_for_a_moment_costs_no_attempt(owner, engine, small_rows, monkeypatch):
    run = begin(owner, engine)
    lease = engine.acquire(run.steps.get(name="reserve"))
    outcome, save, faults = engine.execute(lease), storage.save, [OSError("503"), OSError("503")]

    def stumble(name, content):
        if faults:
            raise faults.pop()
        return save(name, content)

    monkeypatch.setattr(storage, "save", stumble)
    monkeypatch.setattr(settling, "SETTLE_PAUSE_SECONDS", 0)
    settling.settle_for_certain(lease, outcome, clock=engine.clock, roll=0.5)
    assert engine.states(run)["reserve"] == "completed"


def test_a_storage_that_stays_away_fails_the_attempt_whose_effect_its_undo_must_know_of(
    owner, engine, small_rows, monkeypatch
):
    def fail(name, content):
        raise OSError("503")

    monkeypatch.setattr(storage, "save", fail)
    monkeypatch.setattr(settling, "SETTLE_PAUSE_SECONDS", 0)
    run = begin(owner, engine)
    lease = engine.acquire(run.steps.get(name="reserve"))
    settling.settle_for_certain(lease, engine.execute(lease), clock=engine.clock, roll=0.5)
    step = run.steps.get(name="reserve")
    assert (step.state, step.error["code"], step.outcome_unknown) == ("retrying", "output-not-kept", True)


def test_a_commit_whose_answer_was_lost_keeps_the_file_that_its_row_names(
    owner, engine, small_rows, monkeypatch, tmp_path
):
    """Storages that overwrite give the second try the same name."""
    monkeypatch.setattr(
        storage, "default_storage", FileSystemStorage(location=tmp_path, allow_overwrite=True)
    )
    monkeypatch.setattr(settling, "SETTLE_PAUSE_SECONDS", 0)
    run = begin(owner, engine)
    lease = engine.acquire(run.steps.get(name="reserve"))
    outcome, commit = engine.execute(lease), settling._commit

    def lose_the_answer(*args, **options):
        monkeypatch.setattr(settling, "_commit", commit)
        commit(*args, **options)
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(settling, "_commit", lose_the_answer)
    with pytest.raises(LeaseLost):
        settling.settle_for_certain(lease, outcome, clock=engine.clock, roll=0.5)
    assert selectors.read_output(run.steps.get(name="reserve").pk)["text"] == f"{LONG} reserved"


def test_a_zombie_that_ends_after_its_run_was_erased_leaves_nothing(
    owner, engine, operator, small_rows, redis_client
):
    run = begin(owner, engine)
    lease = engine.acquire(run.steps.get(name="reserve"))
    outcome = engine.execute(lease)
    engine.cancel(run, by=operator)
    engine.sweep(after_seconds=31)
    erase(run.pk, by=operator, clock=engine.clock)
    with pytest.raises(LeaseLost):
        settling.settle_for_certain(lease, outcome, clock=engine.clock, roll=0.5)
    assert files(run) == []


def test_a_list_that_is_fanned_out_stays_in_its_row_so_that_no_commit_reads_a_storage(
    owner, engine, small_rows
):
    run = engine.start(flows.fanning, input={"parts": list(range(200))}, owner=owner)
    engine.work(run.steps.get(name="pack"))
    assert run.steps.get(name="pack").output_file is None
    assert run.steps.filter(parent__isnull=False).count() == 200
    assert files(run) == []


def test_a_fan_out_whose_items_are_lost_fails_by_itself(owner, engine, monkeypatch):
    """A list that an older run kept outside its row."""

    def lost(step_id):
        raise StoredValueLost("Gone.", code="stored-value-missing")

    monkeypatch.setattr(fanning, "read_output", lost)
    run = engine.finish(engine.start(flows.fanning_back, owner=owner))
    assert (run.state, run.error["code"]) == (RunState.COMPENSATED, "stored-value-missing")
    assert engine.states(run)["pack"] == "compensated"


def test_work_whose_result_the_database_refuses_is_undone(owner, engine, monkeypatch):
    run = engine.start(flows.undoing, owner=owner)
    lease = engine.acquire(run.steps.get(name="reserve"))
    complete = settling._complete_step

    def refuse(*args, **options):
        monkeypatch.setattr(settling, "_complete_step", complete)
        raise ValueError("no column holds this")

    monkeypatch.setattr(settling, "_complete_step", refuse)
    settling.settle_for_certain(lease, engine.execute(lease), clock=engine.clock, roll=0.5)
    assert engine.finish(run).state == RunState.COMPENSATED
    assert ("release", None) in flows.ledger


def test_the_end_of_a_run_tells_the_size_and_hash_of_a_large_result(owner, engine, small_rows):
    run = engine.finish(begin(owner, engine))
    ended = Entry.objects.get(stream_id=run.pk, type="run.completed")
    encoded = wire.encode(selectors.result(run))
    assert ended.payload["result"] == {"size": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}
    engine.check(run)
