import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from config.demo_client import Client, ClientError
from config.ports import free_port
from config.readiness import serves

LOG = [{"seq": seq, "type": "item.committed"} for seq in range(1, 8)] + [{"seq": 8, "type": "run.completed"}]


class Server(BaseHTTPRequestHandler):
    """Speaks the protocol, cuts its first stream after event 3 in the middle of a line, refuses the second."""

    streams: list[str]
    epoch: int
    uploads: list[bytes]

    def do_GET(self) -> None:
        cursor = parse_qs(urlsplit(self.path).query)["after"][0]
        self.streams.append(cursor)
        if len(self.streams) == 2:
            self.send_error(503)
            return
        epoch, _, seq = cursor.rpartition(".")
        after = int(seq)
        self.send_response(200)
        self.end_headers()
        lines = [json.dumps(event) for event in LOG if event["seq"] > after]
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
        self.uploads.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = 202, {"id": "0198"}
        if self.headers["Authorization"] != "Basic " + base64.b64encode(b"demo:right").decode():
            status, body = 401, {"detail": "Wrong name or password."}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.streams, Server.uploads, Server.epoch = [], [], 1
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def client(url: str, password: str = "right") -> Client:
    return Client(url=url, name="demo", password=password, read_timeout_seconds=5)


def test_a_cut_stream_is_taken_up_at_the_cursor_and_nothing_comes_twice(server: str) -> None:
    cuts: list[None] = []

    events = list(client(server).follow("0198", seconds=30, on_cut=lambda: cuts.append(None)))

    assert [event["seq"] for event in events if "seq" in event] == list(range(1, 9))
    assert Server.streams == ["0", "3", "3"]
    assert cuts


def test_a_log_that_is_restored_meanwhile_begins_again_and_its_epoch_is_kept(server: str) -> None:
    def restore() -> None:
        Server.epoch = 1_763_800_000

    events = list(client(server).follow("0198", seconds=30, on_cut=restore))

    told = [event.get("seq") or event["type"] for event in events]
    assert told[:3] == [1, 2, 3]
    assert [kind for kind in told[3:] if kind != "step.progress"] == ["hello", "reset", "hello", *range(1, 9)]
    assert Server.streams == ["0", "3", "3", "1763800000.0"]


def test_a_log_without_its_beginning_is_given_up_with_a_sentence(server: str, monkeypatch) -> None:
    monkeypatch.setattr(Client, "_stream", lambda *args, **kwargs: iter([{"type": "reset", "epoch": 1}]))
    with pytest.raises(ClientError, match="first events of the run are no longer kept"):
        list(client(server).follow("0198", seconds=30, on_cut=lambda: None))


def test_a_proxy_of_the_environment_is_not_asked(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it would remember an environment without a proxy
    path = tmp_path / "lease.pdf"
    path.write_bytes(b"x")

    assert client(server).upload(path) == {"id": "0198"}
    assert serves(f"{server}/?after=0")


def test_a_run_that_does_not_end_is_given_up_with_a_sentence(server: str) -> None:
    with pytest.raises(ClientError, match="did not end within 0 s"):
        list(client(server).follow("0198", seconds=0, on_cut=lambda: None))


def test_an_upload_carries_name_and_bytes_and_answers_with_the_run(server: str, tmp_path: Path) -> None:
    path = tmp_path / "lease.pdf"
    path.write_bytes(b"%PDF-1.7 \x00\xff")

    assert client(server).upload(path) == {"id": "0198"}
    assert b'filename="lease.pdf"' in Server.uploads[0]
    assert b"%PDF-1.7 \x00\xff" in Server.uploads[0]


def test_a_refusal_is_told_in_the_words_of_the_server(server: str, tmp_path: Path) -> None:
    path = tmp_path / "lease.pdf"
    path.write_bytes(b"x")

    with pytest.raises(ClientError, match=r"answered 401: Wrong name or password\."):
        client(server, password="wrong").upload(path)
