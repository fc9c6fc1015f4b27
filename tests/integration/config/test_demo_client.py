"""The demonstration's own part of the client: files up and down, past any proxy of the environment."""

import urllib.request
from pathlib import Path

import pytest

from config.demo_client import demo_client, download, upload
from config.ports import free_port
from config.readiness import serves
from tests.integration.streaming.client.conftest import Server, server

__all__ = ["server"]  # the fixture


def test_an_upload_carries_name_and_bytes_and_answers_with_the_run(server: str, tmp_path: Path) -> None:
    path = tmp_path / "lease.pdf"
    path.write_bytes(b"%PDF-1.7 \x00\xff")

    with demo_client(server, name="demo", password="right") as client:
        assert upload(client, path) == {"id": "0198"}
    assert b'filename="lease.pdf"' in Server.bodies[0]
    assert b"%PDF-1.7 \x00\xff" in Server.bodies[0]


def test_a_proxy_of_the_environment_is_not_asked(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it would remember an environment without a proxy
    path = tmp_path / "report.html"

    with demo_client(server, name="demo", password="right") as client:
        download(client, "/runs/0198/report.html", path)
    assert path.read_bytes().startswith(b'{"seq": 1')
    Server.streams = ["0", "0"]
    assert serves(f"{server}/?after=0")
