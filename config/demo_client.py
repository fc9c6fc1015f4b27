"""A client like any other: uploads, and downloads the report; what is between is `streaming.client`."""

from pathlib import Path
from typing import Any

from config.conf import conf
from streaming.client import Client


def demo_client(url: str, *, name: str, password: str) -> Client:
    # The server is on this machine, where a proxy of the environment cannot reach.
    return Client(
        url, auth=(name, password), silence_seconds=conf().demo_read_timeout_seconds, trust_env=False
    )


def upload(client: Client, path: Path) -> dict[str, Any]:
    """Start an analysis of the file; returns its run's snapshot. Raises ClientError with the reason."""
    file = (path.name, path.read_bytes(), "application/octet-stream")
    snapshot: dict[str, Any] = client.send("POST", "/api/analysis", files={"file": file}).json()
    return snapshot


def download(client: Client, link: str, path: Path) -> None:
    """Save what `link` (absolute, or a path on the server) serves. Raises ClientError."""
    path.write_bytes(client.send("GET", link).body)
