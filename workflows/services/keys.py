"""Idempotency keys of callers: the same request again gets the run of the first one, another request an error."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from outbox import wire
from workflows.conf import conf
from workflows.errors import InvalidInput, KeyReused
from workflows.models import RequestKey, Run


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
    fingerprint = hashlib.sha256(wire.encode(body)).hexdigest()
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


def refuse_long(name: str, key: str | None) -> None:
    """Raises InvalidInput for a key that no column holds."""
    limit = conf().key_max_chars
    if key is None:
        return
    if not key or len(key) > limit or "\x00" in key:
        detail = f"{name} is text of 1 to {limit} characters"
        raise InvalidInput(detail, errors=[(f"/{name}", "bad_key", detail)])
