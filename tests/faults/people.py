"""What a user of the harness's system does: start, cancel and look, through the real API; and the provider's ledger."""

import json
import os
import time
import urllib.error
import urllib.request
from base64 import b64encode
from typing import Any
from urllib.parse import urljoin
from uuid import UUID, uuid4

from tests.faults.flows import PROVIDER_VARIABLE

TIMEOUT_SECONDS = 15.0
AGAIN_SECONDS = 0.1
LOGIN = "Basic " + b64encode(b"olga:olga-password").decode()


def _ask(method: str, address: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        return json.loads(answer.read())


def _api(method: str, path: str, body: Any = None, *, key: str = "") -> Any:
    headers = {"Authorization": LOGIN, "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    return _ask(method, f"{os.environ['FAULTS_WEB']}{path}", body, headers)


def is_up() -> bool:
    try:
        return bool(_ask("GET", f"{os.environ['FAULTS_WEB']}/healthz") or True)
    except ValueError:
        return True  # it answers, though not in JSON
    except OSError:
        return False


def start(workflow: str, *, version: int = 1, key: str = "", tries: int = 5, **values: Any) -> UUID:
    """As a careful client does: the same key until the server has answered. `key`: of an earlier request."""
    body = {"workflow": workflow, "version": version, "input": values}
    key = key or str(uuid4())
    for left in reversed(range(tries)):
        try:
            return UUID(_api("POST", "/api/v1/runs", body, key=key)["id"])
        except urllib.error.HTTPError as error:
            if error.code < 500 or not left:
                raise
            time.sleep(AGAIN_SECONDS)
    raise AssertionError("tries must be positive")


def cancel(run: UUID, *, undo: bool, tries: int = 20) -> None:
    """As a careful client does: the same key until the server has answered. 409: it had ended before."""
    key = str(uuid4())
    for left in reversed(range(tries)):
        try:
            _api("POST", f"/api/v1/runs/{run}/cancel", {"compensate": undo}, key=key)
            return
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return
            if error.code < 500 or not left:
                raise


def retry(run: UUID) -> None:
    """Let a failed run go on."""
    _api("POST", f"/api/v1/runs/{run}/retry", {}, key=str(uuid4()))


def answer(run: UUID) -> None:
    """Answer the run's question; 409: somebody has."""
    try:
        _api("POST", f"/api/v1/runs/{run}/signals/approval", {"approved": True})
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise


def effects(run: UUID) -> list[dict[str, str]]:
    """The provider's ledger of a run, in order."""
    found = _ask("GET", f"{os.environ[PROVIDER_VARIABLE]}?run={run}")
    return list(found)


def receiver(name: str) -> str:
    """The address at which somebody takes webhooks."""
    return urljoin(os.environ[PROVIDER_VARIABLE], f"/webhooks/{name}")


def received(name: str) -> list[dict[str, Any]]:
    """What came to that address, in order: {headers, body}, the names of headers in lower case."""
    return list(_ask("GET", receiver(name)))
