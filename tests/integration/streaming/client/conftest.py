"""A server of its own that speaks the protocol, and misbehaves where told; both clients with one face."""

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from streaming.client import AsyncClient, Client, Patience

LOG = [{"seq": seq, "type": "item.committed"} for seq in range(1, 8)] + [{"seq": 8, "type": "run.completed"}]
END = {"type": "end", "last_seq": 8, "state": "completed"}
QUICK = Patience(base=0.01, cap=0.05, give_up=5)
BASIC = "Basic " + base64.b64encode(b"demo:right").decode()


class Server(BaseHTTPRequestHandler):
    """Cuts its first stream after event 3 in the middle of a line, refuses the second."""

    streams: list[str]
    epoch: int
    bodies: list[bytes]
    keys: list[str | None]

    def do_GET(self) -> None:
        cursor = parse_qs(urlsplit(self.path).query).get("after", ["0"])[0]
        self.streams.append(cursor)
        if len(self.streams) == 2:
            self.send_error(503)
            return
        epoch, _, seq = cursor.rpartition(".")
        after = int(seq)
        self.send_response(200)
        self.end_headers()
        lines = [json.dumps(event) for event in [*LOG, END] if event.get("seq", 9) > after]
        if self.epoch > 1:
            lines = [json.dumps({"type": "hello", "epoch": self.epoch}), *lines]
            if after and int(epoch or 1) != self.epoch:
                lines = [lines[0], json.dumps({"type": "reset", "epoch": self.epoch, "head": 8})]
        if len(self.streams) == 1:
            self.wfile.write("\n".join(lines[:3]).encode() + b"\n" + lines[3][:9].encode())
            return
        # A double, as an at-least-once server may send.
        again = [json.dumps(LOG[after - 1])] if after and self.epoch == 1 else []
        self.wfile.write("\n".join([*again, '{"type":"step.progress","data":{}}', *lines, ""]).encode())

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.keys.append(self.headers["Idempotency-Key"])
        if self.keys[0] and len(self.keys) == 1:  # the run is started, and its answer lost
            self.close_connection = True
            return
        status, body = 202, {"id": "0198"}
        if self.headers["Authorization"] not in {BASIC, "Bearer lh_right"}:
            status, body = 401, {"detail": "Wrong name or password.", "code": "not-authenticated"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.streams, Server.bodies, Server.keys, Server.epoch = [], [], [], 1
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


# What a client is asked, as one function: with threads, or with an event loop of its own.
Ask = Callable[..., Any]


def with_threads(url: str, method: str, *args: Any, auth: Any = ("demo", "right"), **options: Any) -> Any:
    with Client(url, auth=auth, patience=QUICK, silence_seconds=5, trust_env=False) as client:
        answer = getattr(client, method)(*args, **options)
        return list(answer) if method in {"follow", "items"} else answer


def with_asyncio(url: str, method: str, *args: Any, auth: Any = ("demo", "right"), **options: Any) -> Any:
    async def ask() -> Any:
        async with AsyncClient(url, auth=auth, patience=QUICK, silence_seconds=5, trust_env=False) as client:
            answer = getattr(client, method)(*args, **options)
            return [line async for line in answer] if method in {"follow", "items"} else await answer

    return asyncio.run(ask())


@pytest.fixture(params=[with_threads, with_asyncio], ids=["threads", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    asked: Ask = request.param
    return asked
