"""The fake provider: a process of its own that has effects, and a ledger that judges who asked for what.

It behaves as a good payment service does: an `Idempotency-Key` that it knows gets the first answer again, the same key
with another body is refused, and what was undone before it was done is refused as well, since a worker that was
frozen in between must not charge a customer whose order is void.

Under /webhooks/ it takes webhooks for anybody, and says what came.
"""

import json
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

WEBHOOKS = "/webhooks/"


class Ledger:
    """Entries of {key, run, step, kind, status}. status: `done`, `replayed`, `conflict` or `void`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[dict[str, str]] = []
        self._bodies: dict[str, dict[str, str]] = {}

    def take(self, key: str, body: dict[str, str]) -> str:
        with self._lock:
            status = self._judge(key, body)
            self._entries.append({"key": key, **body, "status": status})
            return status

    def _judge(self, key: str, body: dict[str, str]) -> str:
        if key in self._bodies:
            return "replayed" if self._bodies[key] == body else "conflict"
        undone = {**body, "kind": "undo"}
        if body["kind"] == "forward" and undone in self._bodies.values():
            return "void"
        self._bodies[key] = body
        return "done"

    def of_run(self, run: str) -> list[dict[str, str]]:
        with self._lock:
            return [entry for entry in self._entries if entry["run"] == run]


class Mail:
    """What came to each address under /webhooks/, in order, unread: {headers, body}."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._came: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        with self._lock:
            self._came[path].append({"headers": headers, "body": body.decode()})

    def of(self, path: str) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._came[path])


class Handler(BaseHTTPRequestHandler):
    ledger = Ledger()
    mail = Mail()

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith(WEBHOOKS):
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.mail.take(self.path, headers, data)
            self._answer(200, {})
            return
        body = json.loads(data)
        status = self.ledger.take(self.headers["Idempotency-Key"], body)
        self._answer(200 if status in {"done", "replayed"} else 409, {"status": status})

    def do_GET(self) -> None:
        if self.path.startswith(WEBHOOKS):
            self._answer(200, self.mail.of(self.path))
            return
        (run,) = parse_qs(urlparse(self.path).query).get("run", [""])
        self._answer(200, self.ledger.of_run(run))

    def _answer(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """The ledger is the log."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
