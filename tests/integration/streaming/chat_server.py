"""A small real server on loopback that speaks chat completions as a stream of server-sent events."""

import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE_SECONDS = 10
DONE = "data: [DONE]\n\n"


def event(**fields: Any) -> str:
    return f"data: {json.dumps({'id': 'c1', 'object': 'chat.completion.chunk', **fields})}\n\n"


def delta(finish_reason: str | None = None, **fields: Any) -> str:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish_reason}])


def greeting() -> str:
    return delta(role="assistant", content="")


def usage(tokens_in: int, tokens_out: int) -> str:
    return event(
        choices=[], usage={"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": 0}
    )


class ChatServer(ThreadingHTTPServer):
    """answer: what to do with each request; it writes through the handler's methods."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[ChatHandler], None] = lambda chat: chat.error(500)
        self.faults: list[BaseException | None] = []
        self.is_over = threading.Event()
        self.client_left = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves, or trusts no certificate, is part of the tests; anything else is a fault of this."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            self.faults.append(sys.exception())

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class ChatHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append({"path": self.path, **json.loads(body)})
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.answer(self)

    def begin(self, content_type: str = "text/event-stream; charset=utf-8") -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def say(self, *texts: str) -> None:
        for text in texts:
            data = text.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Close the line without the end that the framing wants."""
        self.close_connection = True

    def error(self, status: int, body: object = None, **headers: str) -> None:
        data = json.dumps({"error": body or {"message": "sk-secret: what your prompt said"}}).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def hang(self, *, repeat: str = "") -> None:
        """Say nothing more, or `repeat` again and again, until the client leaves or the test is over."""
        self.connection.settimeout(0.02)
        for _ in range(DEADLINE_SECONDS * 50):
            if self.server.is_over.is_set() or self._has_client_left(repeat):
                break
        self.close_connection = True

    def _has_client_left(self, repeat: str) -> bool:
        try:
            if repeat:
                self.say(repeat)
            has_left = self.connection.recv(1) == b""
        except TimeoutError:
            has_left = False
        except OSError:
            has_left = True
        if has_left:
            self.server.client_left.set()
        return has_left

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


@contextmanager
def running_chat_server() -> Iterator[ChatServer]:
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert server.faults == []


def answers(server, *events, end="proper"):
    """Let the server say these events, then end properly, be cut, or hang."""

    def answer(chat):
        chat.begin()
        chat.say(*events)
        {"proper": chat.end, "cut": chat.cut, "hang": chat.hang}[end]()

    server.answer = answer


def fails(server, status, body=None, **headers):
    server.answer = lambda chat: chat.error(status, body, **headers)
