"""A whole Longhaul in real processes, as `make up` starts it, with a client's view of it and a hand on its pids."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import redis
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from config.data_folder import read_values
from config.ports import free_port
from outbox.wire import format_cursor

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "documents/samples/lease-agreement.pdf"

START_SECONDS = 90.0
RUN_SECONDS = 120.0
POLL_SECONDS = 0.05

Answer = TypeVar("Answer")


# Every request says trust_env=False: a proxy of the environment knows nothing of this machine's loopback.


def wait_for(question: Callable[[], Answer | None], *, seconds: float, what: str) -> Answer:
    """The first answer that is not None or False. Raises AssertionError, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(POLL_SECONDS)


@dataclass
class Stack:
    """A running system. `env`: its data folder's secrets; `process`: the launcher; `user`: who asks, demo or admin."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"
    env: dict[str, str] = field(default_factory=dict)
    user: str = "demo"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def auth(self) -> tuple[str, str]:
        return (self.user, self.env[f"{self.user.upper()}_PASSWORD"])

    @property
    def admin_auth(self) -> tuple[str, str]:
        return ("admin", self.env["ADMIN_PASSWORD"])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", auth=self.auth, timeout=20, trust_env=False, **options)

    def upload(self, content: bytes, name: str = "lease.pdf") -> httpx.Response:
        files = {"file": (name, content, "application/octet-stream")}
        return httpx.post(
            f"{self.url}/api/analysis", auth=self.auth, files=files, timeout=30, trust_env=False
        )

    def start_run(self) -> str:
        """Upload the sample; returns the run's id."""
        answer = self.upload(SAMPLE.read_bytes())
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def snapshot(self, run: str, *, as_operator: bool = False) -> dict[str, Any]:
        auth = self.admin_auth if as_operator else self.auth
        answer = httpx.get(f"{self.url}/api/v1/runs/{run}", auth=auth, timeout=20, trust_env=False)
        return dict(answer.raise_for_status().json())

    def log(self, run: str) -> list[dict[str, Any]]:
        """The whole log of a run as the database has it, seen by an operator: nothing is filtered."""
        events: list[dict[str, Any]] = []
        after: int | str | None = 0
        while after is not None:
            answer = httpx.get(
                f"{self.url}/api/v1/runs/{run}/events",
                params={"after": after, "limit": 200},
                headers={"Accept": "application/json"},
                auth=self.admin_auth,
                timeout=20,
                trust_env=False,
            ).raise_for_status()
            page = answer.json()
            events += page["events"]
            after = page["next"]
        return events

    def wait_until(self, run: str, wanted: Callable[[dict[str, Any]], bool], *, what: str) -> dict[str, Any]:
        """The snapshot of a run once it is as `wanted`; a web process that is just restarting is waited for."""

        def look() -> dict[str, Any] | None:
            try:
                snapshot = self.snapshot(run)
            except httpx.TransportError:
                return None
            return snapshot if wanted(snapshot) else None

        return wait_for(look, seconds=RUN_SECONDS, what=what)

    def wait_until_finished(self, run: str) -> dict[str, Any]:
        return self.wait_until(
            run, lambda snapshot: bool(snapshot["is_terminal"]), what=f"the end of run {run}"
        )

    def wait_until_items(self, run: str, *, at_least: int) -> dict[str, Any]:
        def enough(snapshot: dict[str, Any]) -> bool:
            return sum(step["items_count"] for step in snapshot["steps"]) >= at_least

        return self.wait_until(run, enough, what=f"{at_least} items of run {run}")

    def pids(self, name: str) -> list[psutil.Process]:
        """The processes of a Procfile line, children included."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PROCESS_NAME") == name:
                    found.append(process)
        return found

    def kill(self, name: str) -> None:
        """SIGKILL for a whole Procfile line, all at once; the launcher starts it again."""
        victims = self.pids(name)
        assert victims, f"no process {name} to kill"
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        psutil.wait_procs(victims, timeout=10)

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.env["REDIS_URL"], socket_timeout=5)

    def session_cookie(self) -> str:
        """Sign in through the login form, as a browser does."""
        with httpx.Client(base_url=self.url, timeout=20, trust_env=False) as client:
            client.get("/login/")
            token = client.cookies["csrftoken"]
            name, password = self.auth
            form = {"username": name, "password": password, "csrfmiddlewaretoken": token}
            answer = client.post("/login/", data=form, headers={"Referer": self.url})
            assert answer.status_code == 302, f"the login form did not let {name} in"
            return str(client.cookies["sessionid"])

    def socket(self, cookie: str) -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/ws/v1",
            origin=self.url,  # type: ignore[arg-type]
            subprotocols=["runs.v1.json"],  # type: ignore[list-item]
            additional_headers={"Cookie": f"sessionid={cookie}"},
            open_timeout=10,
        )

    def tail(self, name: str, lines: int = 12) -> str:
        log = self.folder / "logs" / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


@contextlib.contextmanager
def running_stack(folder: Path, **environment: str) -> Iterator[Stack]:
    """`manage.py up` on a data folder and ports of its own; everything is stopped at the end."""
    port, flower_port = free_port("127.0.0.1"), free_port("127.0.0.1")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env={
                **kept,
                "LONGHAUL_DATA_DIR": str(folder),
                "PORT": str(port),
                "FLOWER_PORT": str(flower_port),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        stack = Stack(folder=folder, port=port, process=process)
        try:
            wait_for(lambda: _is_up(stack), seconds=START_SECONDS, what="`manage.py up`")
            stack.env = read_values(folder / "env")
            yield stack
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_up(stack: Stack) -> bool:
    said = (stack.folder / "up.log").read_text()
    assert stack.process.poll() is None, f"`manage.py up` ended: {said}"
    return "Longhaul is up" in said


class Follower:
    """A WebSocket client that keeps its cursor, reconnects with it, and applies each event once.

    Told that the log is another one, it forgets what it has and begins again.
    """

    def __init__(self, stack: Stack, run: str) -> None:
        self.stack = stack
        self.run = run
        self.cookie = stack.session_cookie()
        self.events: list[dict[str, Any]] = []
        self.doubled: list[int] = []
        self.epoch = 1
        self.resets = 0
        self.connections = 0

    @property
    def cursor(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    def follow(self, *, until: Callable[[], bool], seconds: float = RUN_SECONDS) -> None:
        """Take events until the condition holds, coming back after each cut."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"the client waited {seconds} s; it has {self.cursor} events"
            with contextlib.suppress(OSError, EOFError, WebSocketException):
                self._one_connection(until, deadline)
            if not until():
                time.sleep(0.2)

    def _one_connection(self, until: Callable[[], bool], deadline: float) -> None:
        with self.stack.socket(self.cookie) as socket:
            self.connections += 1
            after = format_cursor(self.cursor, epoch=self.epoch)
            socket.send(json.dumps({"type": "subscribe", "run": self.run, "after": after}))
            while not until() and time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    self._take(json.loads(socket.recv(timeout=1)))

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "reset":
            self.events, self.resets = [], self.resets + 1
            raise EOFError("the log is another one")
        if frame["type"] == "subscribed" and not self.events:
            self.epoch = frame["epoch"]
        event = frame.get("event") or {}
        if frame["type"] != "event" or "seq" not in event:
            return
        if event["seq"] <= self.cursor:
            self.doubled.append(event["seq"])
            return
        self.events.append(event)

    def has_end(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in {
            "run.completed",
            "run.failed",
            "run.compensated",
        }
