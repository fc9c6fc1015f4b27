"""Keys of callers. Idempotency keys: the same request again gets the run of the first one, another request an error.
Unique keys: one live run each.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from outbox import wire
from outbox.clock import Clock
from workflows.conf import conf
from workflows.engine.storable import UNSTORABLE
from workflows.errors import InvalidInput, KeyReused, UniqueKeyConflict
from workflows.models import RequestKey, Run
from workflows.services.inputs import to_store
from workflows.states import RUN_TERMINAL

TRIES_AMONG_RIVALS = 5

SCOPE_MAX_CHARS = 100  # as the column has it


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request of `caller` under `key`. scope: what is asked of what, as "start" or "retry <run>"."""

    caller: User
    scope: str
    key: str
    fingerprint: str


def request_of(caller: User, *, scope: str, key: str, body: Any) -> Request:
    """body: JSON value of what was asked; equal bodies have equal fingerprints. Raises InvalidInput."""
    refuse_long("Idempotency-Key", key)
    if len(scope) > SCOPE_MAX_CHARS:  # cut off, the scopes of two long step names would be one
        scope = hashlib.sha256(scope.encode()).hexdigest()
    what = "the request cannot be told from another one"
    try:
        canonical = wire.encode(to_store(body, what=what))
    except TypeError as error:  # a file, as a form may send one
        raise InvalidInput(f"{what}: it is not JSON", errors=[("", "not_json", str(error))]) from error
    fingerprint = hashlib.sha256(canonical).hexdigest()
    return Request(caller=caller, scope=scope, key=key, fingerprint=fingerprint)


def find_answer(request: Request | None, *, now: datetime) -> Run | None:
    """The run that this request came to before; None when it is new. Raises KeyReused for another request."""
    if request is None:
        return None
    known = RequestKey.objects.select_related("run").filter(
        caller=request.caller, scope=request.scope, key=request.key
    )
    found = known.first()
    if found is None:
        return None
    if found.created_at <= now - timedelta(seconds=conf().request_key_seconds):
        found.delete()
        return None
    if found.fingerprint != request.fingerprint:
        raise KeyReused(
            f"the idempotency key {request.key!r} came before with another request: use a new key for a new request"
        )
    return found.run


def keep_answer(request: Request | None, run: Run, *, now: datetime) -> None:
    """Remember what the request came to, in the commit that it caused."""
    if request is not None:
        RequestKey.objects.create(
            caller=request.caller,
            scope=request.scope,
            key=request.key,
            fingerprint=request.fingerprint,
            run=run,
            created_at=now,
        )


def answer_with(run_id: UUID, request: Request | None, *, clock: Clock) -> Run:
    """Answer a request that leaves its run as it is: its key counts too. Raises KeyReused, Run.DoesNotExist."""
    if request is None:
        return Run.objects.get(pk=run_id)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id)
        answered = find_answer(request, now=clock.now())
        if answered is None:
            keep_answer(request, run, now=clock.now())
        return answered or run


def refuse_long(name: str, key: str | None) -> None:
    """Raises InvalidInput for a key that no column holds."""
    limit = conf().key_max_chars
    if key is None:
        return
    if not key or len(key) > limit or UNSTORABLE.search(key):
        detail = f"{name} is text of 1 to {limit} characters that can be stored"
        raise InvalidInput(detail, errors=[(f"/{name}", "bad_key", detail)])


def live_twin(run: Run) -> Run | None:
    """The other live run that has this run's unique key."""
    if run.unique_key is None:
        return None
    twins = Run.objects.filter(owner=run.owner_id, workflow=run.workflow, unique_key=run.unique_key)
    return twins.exclude(pk=run.pk).exclude(state__in=sorted(RUN_TERMINAL)).first()


def refuse_taken_key(run: Run, *, way_out: str = "wait for its end") -> None:
    """For a run that is to live (again). Raises UniqueKeyConflict while another live run has its unique key."""
    twin = live_twin(run)
    if twin is not None:
        raise UniqueKeyConflict(
            f"run {twin.id} has the unique key {run.unique_key!r} and is {twin.state}; {way_out}",
            existing=twin.id,
        )


def among_rivals(write: Callable[[], Run], *, contender: Callable[[], Run]) -> Run:
    """Do `write` in one transaction: it looks whether a key is taken, then takes it for the contender.

    A rival's commit may come between the two. The database refuses the key then, and the next look sees the rival.
    Raises UniqueKeyConflict when there was a new rival each time, IntegrityError for what no rival did.
    """
    for _ in range(TRIES_AMONG_RIVALS - 1):
        try:
            with transaction.atomic(durable=True):
                return write()
        except IntegrityError:
            continue
    try:
        with transaction.atomic(durable=True):
            return write()
    except IntegrityError:
        refuse_taken_key(contender())
        raise
