"""A client like any other: uploads, follows the run's log as NDJSON across cuts, downloads the report.

Only the standard library, so that it doubles as an example of what the protocol asks of a client.
"""

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUEST_TIMEOUT_SECONDS = 30.0
RECONNECT_WAIT_SECONDS = 0.5
TERMINAL_EVENTS = frozenset(
    {"run.completed", "run.failed", "run.cancelled", "run.compensated", "run.compensation_failed"}
)
# The server is on this machine, where a proxy of the environment cannot reach.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CUTS = (OSError, http.client.HTTPException)  # URLError is an OSError


class ClientError(Exception):
    """The server refused, or the run did not end in time. The message is for a person."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """`url`: of the server, without a trailing slash. `read_timeout_seconds`: silence that is a cut."""

    url: str
    name: str
    password: str
    read_timeout_seconds: float

    def upload(self, path: Path) -> dict[str, Any]:
        """Start an analysis of the file; returns its run's snapshot. Raises ClientError with the reason."""
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        content_type = f"multipart/form-data; boundary={boundary}"
        with self._open("/api/analysis", data=body, headers={"Content-Type": content_type}) as response:
            snapshot: dict[str, Any] = json.load(response)
        return snapshot

    def snapshot(self, run_id: str) -> dict[str, Any]:
        with self._open(f"/api/v1/runs/{run_id}") as response:
            snapshot: dict[str, Any] = json.load(response)
        return snapshot

    def follow(self, run_id: str, *, seconds: float, on_cut: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """Events of the run, each once and in order, and what is without number, up to its terminal event.

        A stream that is cut is taken up after the last event seen. After a `reset` the log is another one and begins
        again: forget what came before. Raises ClientError after `seconds`, and for a log without its beginning.
        """
        deadline = time.monotonic() + seconds
        place = _Place()
        while True:
            try:
                for event in self._stream(run_id, after=place.cursor):
                    if time.monotonic() >= deadline:
                        raise ClientError(f"the run did not end within {seconds:.0f} s")
                    if place.moves(event):
                        yield event
                        if event["type"] in TERMINAL_EVENTS:
                            return
            except CUTS:
                on_cut()
            if time.monotonic() >= deadline:
                raise ClientError(f"the run did not end within {seconds:.0f} s")
            time.sleep(RECONNECT_WAIT_SECONDS)

    def download(self, link: str, path: Path) -> None:
        """Save what `link` (absolute, or a path on the server) serves."""
        with self._open(link) as response:
            path.write_bytes(response.read())

    def _stream(self, run_id: str, *, after: str) -> Iterator[dict[str, Any]]:
        query = f"/api/v1/runs/{run_id}/events?follow=1&after={after}"
        headers = {"Accept": "application/x-ndjson"}
        with self._open(query, headers=headers, timeout=self.read_timeout_seconds) as response:
            for line in response:
                if line.endswith(b"\n") and line.strip():  # without its newline, a line was cut
                    yield json.loads(line)

    def _open(
        self,
        link: str,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
    ) -> http.client.HTTPResponse:
        pair = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            urllib.parse.urljoin(self.url, link),
            data=data,
            headers={"Authorization": f"Basic {pair}", **(headers or {})},
        )
        try:
            response: http.client.HTTPResponse = DIRECTLY.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in {502, 503, 504}:  # restarting: as good as a cut
                    raise ConnectionError(str(error)) from None
                raise ClientError(_reason(error)) from None
        return response


@dataclass
class _Place:
    """Where a client is in a log. A number alone is none: after a restore it may name another event."""

    epoch: int = 1
    seq: int = 0

    @property
    def cursor(self) -> str:
        return str(self.seq) if self.epoch == 1 else f"{self.epoch}.{self.seq}"

    def moves(self, event: dict[str, Any]) -> bool:
        """Take note of one line; False for an event that was seen before. Raises ClientError."""
        kind, seq = event["type"], event.get("seq")
        if kind == "reset":
            if not self.seq:
                raise ClientError("the first events of the run are no longer kept")
            self.epoch, self.seq = event["epoch"], 0
        elif kind == "hello" and not self.seq:
            self.epoch = event["epoch"]
        if seq is not None and seq <= self.seq:
            return False
        self.seq = seq or self.seq
        return True


def _reason(error: urllib.error.HTTPError) -> str:
    """The sentence of a problem document, else the status line."""
    try:
        detail = json.load(error)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = error.reason
    return f"{error.url} answered {error.code}: {detail}"
