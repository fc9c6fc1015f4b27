"""Idempotency keys and unique keys: the same request, the same run; one live run a key."""

import importlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from outbox.clock import CLOCK
from tests.flows import branching, ordering
from workflows import tasks
from workflows.errors import InvalidInput, KeyReused, UniqueKeyConflict
from workflows.models import AuditEntry, RequestKey, Run
from workflows.services import answering, cancel, expired_keys, request_of, retry, start, steering
from workflows.services.keys import refuse_taken_key
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


def key(owner, body=None, *, key="k-1", scope="start"):
    return request_of(owner, scope=scope, key=key, body=body or {"name": "a lamp"})


def begin(owner, engine, **options) -> Run:
    return start(ordering, input={}, owner=owner, clock=engine.clock, **options)


def failed(owner, engine, **options) -> Run:
    broken = {"fails_at": "charge", "error": "fatal"}
    return engine.finish(start(ordering, input=broken, owner=owner, clock=engine.clock, **options))


def at_once(ask: Callable[[], Any], *, rivals: int) -> tuple[list[Any], list[Exception]]:
    """What `ask` came to in each of several threads, and what it raised."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: the race needs PostgreSQL")
    gate, found, raised = threading.Barrier(rivals), [], []

    def rival() -> None:
        gate.wait(5)
        try:
            found.append(ask())
        except Exception as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=rival) for _ in range(rivals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) + len(raised) == rivals
    return found, raised


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


def test_a_cancel_under_the_key_of_another_request_is_refused_whatever_the_state(owner, engine, operator):
    run = begin(owner, engine)
    engine.acquire(run.steps.get(name="reserve"))
    asked = {"by": operator, "clock": engine.clock}
    assert (
        cancel(run.pk, request=key(operator, {"undo": False}, scope="c"), **asked).state
        == RunState.CANCELLING
    )
    with pytest.raises(KeyReused):
        cancel(run.pk, request=key(operator, {"undo": True}, scope="c"), **asked)
    cancel(run.pk, request=key(operator, {"undo": True}, key="k-2", scope="c"), **asked)
    with pytest.raises(KeyReused):
        cancel(run.pk, request=key(operator, {"undo": None}, key="k-2", scope="c"), **asked)
    assert AuditEntry.objects.filter(action="cancel").count() == 1


def test_a_key_is_forgotten_after_a_day(owner, engine):
    first = begin(owner, engine, request=key(owner))
    engine.clock.turn(86_400)
    assert begin(owner, engine, request=key(owner)).pk != first.pk


def test_a_key_that_no_column_holds_is_refused(owner, engine):
    for bad in ("", "x" * 201, "a\x00b", "a\ud800"):
        with pytest.raises(InvalidInput):
            key(owner, key=bad)
        with pytest.raises(InvalidInput):
            begin(owner, engine, unique_key=bad)


def test_a_request_that_cannot_be_stored_has_no_key(owner):
    with pytest.raises(InvalidInput, match="an integer beyond 64 bits"):
        key(owner, {"a": 10**30})
    with pytest.raises(InvalidInput, match="not JSON"):
        key(owner, {"a": object()})
    assert key(owner, {"a": "\ud800"}) == key(owner, {"a": "\ufffd"}), "both are stored as the latter"


def test_scopes_that_differ_only_at_their_ends_are_two_however_long_they_are(owner, engine):
    long = f"skip {'x' * 120}"
    first = begin(owner, engine, request=key(owner, scope=f"{long}-a"))
    assert begin(owner, engine, request=key(owner, scope=f"{long}-b")).pk != first.pk
    assert begin(owner, engine, request=key(owner, scope=f"{long}-a")).pk == first.pk


def test_two_requests_at_once_start_one_run(owner, engine):
    found, raised = at_once(lambda: begin(owner, engine, request=key(owner)).pk, rivals=2)
    assert not raised
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
    found, raised = at_once(lambda: begin(owner, engine, unique_key="invoice-17").pk, rivals=2)
    (refused,) = raised
    assert isinstance(refused, UniqueKeyConflict)
    assert found == [refused.existing]


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


@pytest.mark.parametrize("live", [0, 1])
def test_of_many_starts_at_once_that_cancel_the_live_run_the_last_one_lives(owner, engine, live):
    for _ in range(live):
        begin(owner, engine, unique_key="invoice-17")
    ask = {"unique_key": "invoice-17", "on_conflict": "cancel_existing"}
    found, raised = at_once(lambda: begin(owner, engine, **ask).pk, rivals=8)
    assert not raised
    assert Run.objects.filter(state=RunState.CANCELLED).count() == 7 + live
    assert Run.objects.get(unique_key="invoice-17").pk in found


def test_who_finds_another_rival_at_each_try_is_told_of_the_last_one(owner, engine, monkeypatch):
    first = begin(owner, engine, unique_key="invoice-17")
    looks = []
    # `start` is a function of that name in the package, too: it hides the module.
    module = importlib.import_module("workflows.services.start")
    monkeypatch.setattr(module, "refuse_taken_key", lambda draft, **_: looks.append(draft.pk))
    with pytest.raises(UniqueKeyConflict) as refused:
        begin(owner, engine, unique_key="invoice-17")
    assert (refused.value.existing, len(looks)) == (first.pk, 5)


REVIVE = {
    "retry": lambda engine, run: engine.retry(run),
    "compensate": lambda engine, run: engine.compensate(run),
    "skip": lambda engine, run: engine.skip(run, "charge", "paid"),
}


@pytest.mark.parametrize("verb", REVIVE)
def test_no_verb_revives_a_run_whose_key_was_taken_meanwhile(owner, engine, verb):
    run = failed(owner, engine, unique_key="invoice-17")
    taken = begin(owner, engine, unique_key="invoice-17")
    with pytest.raises(UniqueKeyConflict, match="wait for its end") as refused:
        REVIVE[verb](engine, run)
    assert refused.value.existing == taken.pk
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert not AuditEntry.objects.exists(), "nothing was done, so nobody did it"


@pytest.mark.parametrize("verb", REVIVE)
def test_a_rival_that_takes_the_key_right_after_a_verb_has_looked_is_named(owner, engine, verb, monkeypatch):
    run = failed(owner, engine, unique_key="invoice-17")
    taken: list[Run] = []

    def look_too_early(run: Run) -> None:
        refuse_taken_key(run)
        if not taken:
            found, raised = at_once(lambda: begin(owner, engine, unique_key="invoice-17"), rivals=1)
            assert not raised
            taken.extend(found)

    monkeypatch.setattr(steering, "refuse_taken_key", look_too_early)
    monkeypatch.setattr(answering, "refuse_taken_key", look_too_early)
    with pytest.raises(UniqueKeyConflict) as refused:
        REVIVE[verb](engine, run)
    assert refused.value.existing == taken[0].pk


def test_a_failed_run_whose_key_is_taken_may_still_lose_a_step_as_long_as_it_stays_failed(owner, engine):
    run = engine.start(branching, input={"fails": ["label", "insure"]}, owner=owner, unique_key="parcel-3")
    engine.work(run.steps.get(name="pack"))
    leases = [engine.acquire(run.steps.get(name=name)) for name in ("label", "insure")]
    for lease in leases:
        engine.settle(lease, engine.execute(lease))
    engine.start(branching, owner=owner, unique_key="parcel-3")
    assert engine.skip(run, "insure", "by hand").state == RunState.FAILED


def test_a_repeated_start_gets_its_run_also_when_the_rules_have_become_stricter(owner, engine, monkeypatch):
    first = begin(owner, engine, request=key(owner))
    module = importlib.import_module("workflows.services.start")

    def refuse(*_: Any) -> None:
        raise InvalidInput("not any more")

    monkeypatch.setattr(module, "validate_input", refuse)
    assert begin(owner, engine, request=key(owner)).pk == first.pk
