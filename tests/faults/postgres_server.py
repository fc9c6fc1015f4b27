"""The harness's PostgreSQL: a name that everybody connects to; behind it one server, or another after a failover."""

import contextlib
import os
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
# As the server's own user: even root may lack the right to limit another's process.
PRLIMIT = shutil.which("prlimit") or "/usr/bin/prlimit"


class Server:
    """One PostgreSQL. Its folder has the data, the socket and the log."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.folder = programs.own_folder(folder)
        self.data = folder / "data"
        self._log = folder / "log"
        self._files_limited = False

    def create(self) -> None:
        """A fresh one, up, with the application's role and database."""
        self.programs.own_folder(self.data)
        self.programs.make_cluster(self.data, f"--wal-segsize={SEGMENT_MEGABYTES}")
        self.start()
        with self.session(database="postgres") as session:
            session.execute(f"CREATE ROLE {ROLE} LOGIN")
            session.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")

    def copy_from(self, other: "Server", *, follows: bool = False) -> None:
        """What `other` has now, down; `follows`: as a replica of it, once it is started."""
        common = (
            "-D",
            self.data,
            "-h",
            other.folder,
            "-U",
            "postgres",
            "-c",
            "fast",
            "-X",
            "stream",
            "--no-sync",
        )
        self.programs.run("pg_basebackup", *common, *(["-R"] if follows else []))

    def recover_to(self, point: str, *, archive: Path) -> None:
        """At its next start it goes on to this restore point of the server whose changes are in `archive`."""
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_name = '{point}'\n")
            settings.write("recovery_target_action = 'promote'\n")
        (self.data / "recovery.signal").touch()

    def promote(self) -> None:
        """A replica becomes a server of its own."""
        self.programs.run("pg_ctl", "-D", self.data, "-w", "promote")

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

    def ask(self, query: str, *parameters: object, **named: object) -> list[tuple[Any, ...]]:
        with self.session() as session:
            cursor = session.execute(query, parameters or named or None)
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
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        limit = "unlimited" if size is None else str(size)
        self._files_limited = size is not None
        self._limit(main, limit)
        # Only now: whoever was born before the main process had its limit has none, and whoever comes after has it.
        for child in psutil.Process(main).children():
            self._limit(child.pid, limit)

    def _limit(self, pid: int, limit: str) -> None:
        """Of a process that has ended meanwhile it is none."""
        command = [PRLIMIT, "--pid", str(pid), f"--fsize={limit}:"]
        subprocess.run(command, user=self.programs.user, stderr=subprocess.DEVNULL)

    def lift_limits(self) -> None:
        if self._files_limited:
            self.limit_files(None)

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
        self.server.lift_limits()
        self.server.ask("ALTER SYSTEM RESET ALL")
        self.server.ask(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        self.server.ask("SELECT pg_reload_conf()")

    def stop(self) -> None:
        self._forget_others()
        self.server.stop_at_once()


@contextlib.contextmanager
def running_postgres_server() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="longhaul-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres = Postgres(Programs.found(folder), folder)
        try:
            yield postgres
        finally:
            postgres.stop()
