"""The harness's PostgreSQL: a name that everybody connects to, and behind it one server, or another one after a failover."""

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.postgres import Programs

# The machine keeps its power: no fsync. But what was acknowledged must be there after a server's violent end.
OPTIONS = "-c fsync=off -c max_connections=200 -c deadlock_timeout=300ms -c log_lock_waits=off"
# Small, so that a limit on the size of files can spare the write-ahead log.
SEGMENT_MEGABYTES = 1
# The application's: no superuser, who would be exempt from limits.
ROLE = DATABASE = "longhaul"
SOCKET = ".s.PGSQL.5432"


class Server:
    """One PostgreSQL. Its folder has the data, the socket and the log."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.folder = programs.own_folder(folder)
        self.data = folder / "data"
        self._log = folder / "log"

    def create(self) -> None:
        """A fresh one, up, with the application's role and database."""
        self.programs.own_folder(self.data)
        self.programs.make_cluster(self.data, f"--wal-segsize={SEGMENT_MEGABYTES}")
        self.start()
        with self.session(database="postgres") as session:
            session.execute(f"CREATE ROLE {ROLE} LOGIN")
            session.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self.folder} {OPTIONS}"
        self.programs.run("pg_ctl", "-D", self.data, "-l", self._log, "-o", options, "-w", "start")

    def stop_at_once(self) -> None:
        """As if it had crashed: nothing is finished, and everybody's connection breaks."""
        with contextlib.suppress(subprocess.CalledProcessError):  # it was down
            self.programs.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def is_up(self) -> bool:
        try:
            return self.ask("SELECT 1") == [(1,)]
        except psycopg.Error:
            return False

    @contextlib.contextmanager
    def session(self, *, database: str = DATABASE) -> Iterator["psycopg.Connection[Any]"]:
        """The superuser's, for whom no limit counts. Every statement commits."""
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname=database, autocommit=True
        ) as session:
            yield session

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.session() as session:
            cursor = session.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def set(self, name: str, value: str | None) -> None:
        """For every session, also those that are open; None is the default again."""
        self.ask(f"ALTER SYSTEM RESET {name}" if value is None else f"ALTER SYSTEM SET {name} = '{value}'")
        self.ask("SELECT pg_reload_conf()")

    def end_sessions(self) -> None:
        """Those of the application."""
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", ROLE)

    def mark(self) -> int:
        """Where its log ends now: see `said`."""
        return self._log.stat().st_size

    def said(self, words: str, *, since: int) -> int:
        """How often the log has these words after the mark."""
        with self._log.open("rb") as log:
            log.seek(since)
            return log.read().count(words.encode())

    def limit_files(self, size: int | None) -> None:
        """No file of its may grow beyond `size` bytes: such a write comes back short, as on a full disk."""
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        limit = resource.RLIM_INFINITY if size is None else size
        for process in [postmaster, *postmaster.children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def file_of(self, table: str) -> Path:
        ((path,),) = self.ask("SELECT pg_relation_filepath(%s)", table)
        return self.data / str(path)


class Postgres:
    """The name: a socket's path that always leads to the server in charge."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._numbers = count(1)
        self.socket = folder / SOCKET
        self.url = f"postgres://{ROLE}@/{DATABASE}?host={folder}"
        self._servers: list[Server] = []
        self.server = self.new_server()
        self.server.create()
        self._lead_to(self.server)

    def new_server(self) -> Server:
        """Not in charge, and not up. It lasts until another one takes over, or the cell is over."""
        self._servers.append(Server(self._programs, self._folder / f"server-{next(self._numbers)}"))
        return self._servers[-1]

    def take_over(self, other: Server) -> None:
        """`other` is in charge now; nobody hears of the former one again."""
        self.server = other
        self._lead_to(other)
        self._forget_others()

    def _lead_to(self, server: Server) -> None:
        draft = self._folder / "draft"
        draft.symlink_to(server.folder / SOCKET)
        os.replace(draft, self.socket)

    def _forget_others(self) -> None:
        for server in [server for server in self._servers if server is not self.server]:
            server.stop_at_once()
            shutil.rmtree(server.folder, ignore_errors=True)
            self._servers.remove(server)

    def heal(self) -> None:
        """After a cell, whatever it did: the server in charge is up, nothing limits it, and there is no other."""
        self._forget_others()
        if not self.server.is_up():
            self.server.stop_at_once()
            self.server.start()
        self.server.limit_files(None)

    def stop(self) -> None:
        self._forget_others()
        self.server.stop_at_once()


@contextlib.contextmanager
def running_server() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="longhaul-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres = Postgres(Programs.found(folder), folder)
        try:
            yield postgres
        finally:
            postgres.stop()
