"""A Redis that a cell may kill, empty, fill, freeze out, or bring back from what it once knew."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from config.leash import leashed
from config.ports import free_port
from config.redis_server import command, url, wait_until_answers

PASSWORD = "private"
SYNC_SECONDS = 10.0
# No server listens there: a replica of it takes no writes.
NOBODY = ("127.0.0.1", "1")


class RedisServer:
    """One server on one port for good, and a copy of its data from an earlier time."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port("127.0.0.1")
        self.url = url(self.port, PASSWORD)
        self._folder = folder
        self._home = folder / "primary"
        self._copy = folder / "copy.rdb"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        self._process = _spawn(self._home, self.port, *options)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """SIGKILL, then up again from its file of writes."""
        self.stop()
        self.start()

    def restart_empty(self) -> None:
        """As a server without a disk comes back."""
        self._come_back_with(None)

    def flush(self) -> None:
        self.ask("FLUSHALL")

    def keep_copy(self) -> None:
        """A backup, to come back from later."""
        _save(self.port, self._home, self._copy)

    def keep_replica(self) -> None:
        """A replica takes all there is; then its link is cut, and what follows is known to the primary only."""
        self.ask("CONFIG", "SET", "repl-diskless-sync", "no")  # else it gathers replicas for a while
        port, home = free_port("127.0.0.1"), self._folder / "replica"
        shutil.rmtree(home, ignore_errors=True)
        replica = _spawn(home, port, "--masterauth", PASSWORD)
        try:
            # Not at its start: it would look for its primary once a second only.
            _client(port).execute_command("REPLICAOF", "127.0.0.1", str(self.port))
            _wait_for_info(port, "replication", "master_link_status", "up")
            _client(port).execute_command("REPLICAOF", "NO", "ONE")
            _save(port, home, self._copy)
        finally:
            replica.kill()
            replica.wait()

    def come_back_as_kept(self) -> None:
        """The backup is restored, or the replica takes the primary's place: what came after the copy is gone."""
        self._come_back_with(self._copy)

    def fill(self) -> None:
        """No memory is left: what would need some is refused."""
        self.ask("CONFIG", "SET", "maxmemory", "1")

    def make_room(self) -> None:
        self.ask("CONFIG", "SET", "maxmemory", "0")

    def refuse_writes(self) -> None:
        self.ask("REPLICAOF", *NOBODY)

    def accept_writes(self) -> None:
        self.ask("REPLICAOF", "NO", "ONE")

    def ask(self, *words: str) -> Any:
        return _client(self.port).execute_command(*words)

    def _come_back_with(self, copy: Path | None) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)
        if copy is None:
            self.start()
            return
        self._home.mkdir(mode=0o700)
        shutil.copyfile(copy, self._home / "dump.rdb")
        self.start("--appendonly", "no")  # else it would look for its file of writes only
        self.ask("CONFIG", "SET", "appendonly", "yes")
        _wait_for_info(self.port, "persistence", "aof_rewrite_scheduled", 0)
        _wait_for_info(self.port, "persistence", "aof_rewrite_in_progress", 0)


def _wait_for_info(port: int, section: str, name: str, value: object) -> None:
    deadline = time.monotonic() + SYNC_SECONDS
    while _client(port).info(section).get(name) != value:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"Redis' {name} did not become {value}")
        time.sleep(0.01)


def _client(port: int) -> "redis.Redis":
    return redis.Redis(port=port, password=PASSWORD, socket_timeout=5)


def _spawn(home: Path, port: int, *options: str) -> "subprocess.Popen[bytes]":
    argv = (*command(home, port=port, password=PASSWORD), *options)
    log = home.parent / f"{home.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(leashed(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    wait_until_answers(url(port, PASSWORD), log=log)
    return process


def _save(port: int, home: Path, copy: Path) -> None:
    _client(port).execute_command("SAVE")
    shutil.copyfile(home / "dump.rdb", copy)


@contextlib.contextmanager
def running_redis_server(folder: Path) -> Iterator[RedisServer]:
    folder.mkdir(parents=True)
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
