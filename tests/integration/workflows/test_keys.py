"""Idempotency keys and unique keys: the same request, the same run; one live run a key."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections

from outbox.clock import CLOCK
from tests.flows import ordering
from workflows import tasks
from workflows.errors import InvalidInput, KeyReused, UniqueKeyConflict
from workflows.models import AuditEntry, RequestKey, Run
from workflows.services import cancel, expired_keys, request_of, retry, start
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


def key(owner, body=None, *, key="k-1", scope="start"):
    return request_of(owner, scope=scope, key=key, body=body or {"name": "a lamp"})


def begin(owner, engine, **options) -> Run:
    return start(ordering, input={}, owner=owner, clock=engine.clock, **options)


def test_the_same_request_again_gets_the_same_run(owner, engine):
    first = begin(owner, engine, request=key(owner))
    assert begin(owner, engine, request=key(owner)).pk == first.pk
    assert Run.objects.count() == 1


def test_another_request_under_the_same_key_is_refused(owner, engine):
    begin(owner, engine, request=key(owner))
    with pytest.raises(KeyReused, match="use a new key"):
        begin(owner, engine, request=key(owner, {"name": "a chair"}))
    assert Run.objects.count() == 1


def test_a_key_is_its_callers_own(owner, stranger, engine):
    first = begin(owner, engine, request=key(owner))
    assert begin(stranger, engine, request=key(stranger)).pk != first.pk


def test_a_verb_under_a_key_is_done_once_whatever_the_state_became(owner, engine, operator):
    run = engine.finish(
        start(ordering, input={"fails_at": "charge", "error": "fatal"}, owner=owner, clock=engine.clock)
    )
    asked = key(operator, {"reason": ""}, scope=f"retry {run.pk}")
    retry(run.pk, by=operator, request=asked, clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.FAILED
    retry(run.pk, by=operator, request=asked, clock=engine.clock)
    run.refresh_from_db()
    assert run.state == RunState.FAILED, "the answer was repeated, not the retry"
    assert AuditEntry.objects.filter(action="retry").count() == 1


def test_a_key_is_forgotten_after_a_day(owner, engine):
    first = begin(owner, engine, request=key(owner))
    engine.clock.turn(86_400)
    assert begin(owner, engine, request=key(owner)).pk != first.pk


def test_a_key_that_no_column_holds_is_refused(owner):
    for bad in ("", "x" * 201, "a\x00b"):
        with pytest.raises(InvalidInput):
            key(owner, key=bad)


def test_two_requests_at_once_start_one_run(owner, engine):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: the race needs PostgreSQL")
    gate, found = threading.Barrier(2), []

    def ask() -> None:
        gate.wait(5)
        try:
            found.append(begin(owner, engine, request=key(owner)).pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 2
    assert len(set(found)) == 1


def test_a_unique_key_has_one_live_run(owner, engine):
    first = begin(owner, engine, unique_key="invoice-17")
    with pytest.raises(UniqueKeyConflict) as refused:
        begin(owner, engine, unique_key="invoice-17")
    assert refused.value.existing == first.pk
    assert begin(owner, engine, unique_key="invoice-17", on_conflict="return").pk == first.pk
    engine.finish(first)
    assert begin(owner, engine, unique_key="invoice-17").pk != first.pk


def test_the_live_run_can_be_cancelled_in_favour_of_the_new_one(owner, engine):
    first = begin(owner, engine, unique_key="invoice-17")
    lease = engine.acquire(first.steps.get(name="reserve"))
    second = begin(owner, engine, unique_key="invoice-17", on_conflict="cancel_existing")
    first.refresh_from_db()
    assert (first.state, first.unique_key) == (RunState.CANCELLING, None)
    assert second.unique_key == "invoice-17"
    engine.settle(lease, engine.execute(lease))
    first.refresh_from_db()
    assert first.state == RunState.CANCELLED


def test_a_run_whose_key_was_taken_meanwhile_cannot_be_retried(owner, engine, operator):
    first = begin(owner, engine, unique_key="invoice-17")
    cancel(first.pk, by=operator, clock=engine.clock)
    begin(owner, engine, unique_key="invoice-17")
    with pytest.raises(UniqueKeyConflict):
        retry(first.pk, by=operator, clock=engine.clock)


def test_two_starts_at_once_under_one_unique_key_make_one_run(owner, engine):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: the race needs PostgreSQL")
    gate, found, refused = threading.Barrier(2), [], []

    def ask() -> None:
        gate.wait(5)
        try:
            found.append(begin(owner, engine, unique_key="invoice-17").pk)
        except UniqueKeyConflict as error:
            refused.append(error.existing)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == refused
    assert len(found) == 1


def test_keys_that_no_longer_count_are_purged_in_batches(owner, engine, monkeypatch):
    for number in range(5):
        begin(owner, engine, request=key(owner, key=f"old-{number}"))
    engine.clock.turn(86_400)
    begin(owner, engine, request=key(owner, key="new"))
    monkeypatch.setattr(expired_keys, "BATCH_ROWS", 2)
    monkeypatch.setattr(expired_keys, "BATCHES", 2)
    assert expired_keys.purge_expired_keys(clock=engine.clock) == 4
    assert expired_keys.purge_expired_keys(clock=engine.clock) == 1
    assert list(RequestKey.objects.values_list("key", flat=True)) == ["new"]


def test_the_task_of_each_minute_purges_them(owner, engine):
    begin(owner, engine, request=key(owner))
    RequestKey.objects.update(created_at=CLOCK.now() - timedelta(days=2))
    tasks.check_stranded()
    assert not RequestKey.objects.exists()
