"""A PostgreSQL and a Redis of one's own, set as in production: what is committed is on the disk."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import redis
from psycopg import sql

from config.redis_server import running_redis
from tests.postgres import running_postgres

ROOT = Path(__file__).parents[1]

# Durable, unlike the server of the tests. Of the rest only the shared buffers differ from PostgreSQL's defaults.
POSTGRES_OPTIONS = "-c fsync=on -c synchronous_commit=on -c full_page_writes=on -c shared_buffers=512MB"
REDIS_TIMEOUT_SECONDS = 60.0

Database = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Servers:
    """URLs of both; `database` is the one that PostgreSQL begins with. `folder`: for logs and the data folder."""

    database: str
    redis_url: str
    folder: Path

    def environment(self, name: str, *, settings: str) -> dict[str, str]:
        """Of a process of Longhaul that works on the database called `name`."""
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("LONGHAUL_")},
            "DJANGO_SETTINGS_MODULE": settings,
            "LONGHAUL_DATA_DIR": str(self.folder),
            "DATABASE_URL": self._url(name),
            "REDIS_URL": self.redis_url,
            "BROKER_URL": "memory://",
            "SECRET_KEY": "a-key-for-benchmarks-that-signs-nothing-of-value-0123456789",
            "LOG_LEVEL": "WARNING",
        }

    def connect(self, name: str) -> Database:
        """A session in which each statement is a transaction of its own."""
        return psycopg.connect(self._url(name), autocommit=True)

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS)

    def create_database(self, name: str) -> None:
        """A copy of the one that it began with: with the tables of the outbox, empty."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE postgres").format(sql.Identifier(name))
        with self.connect("template1") as connection:
            connection.execute(statement)

    def migrate(self, app: str, *, settings: str) -> None:
        """Make the tables of an app, in the database that others are copied from."""
        subprocess.run(
            [sys.executable, "manage.py", "migrate", app, "--no-input", "--skip-checks", "--verbosity", "0"],
            cwd=ROOT,
            env=self.environment("postgres", settings=settings),
            check=True,
        )

    def redis_pid(self) -> int:
        with self.client() as client:
            return int(cast(dict[str, Any], client.info("server"))["process_id"])

    def versions(self) -> dict[str, str]:
        with self.connect("template1") as connection, self.client() as client:
            row = connection.execute("SHOW server_version").fetchone()
            about = cast(dict[str, Any], client.info("server"))
        assert row is not None
        valkey = about.get("valkey_version")
        return {
            "postgresql": str(row[0]),
            "redis": f"Valkey {valkey}" if valkey else str(about["redis_version"]),
        }

    def _url(self, name: str) -> str:
        return self.database.replace("@/postgres?", f"@/{name}?")


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Both, until the block ends; they forget everything then."""
    with (
        tempfile.TemporaryDirectory(prefix="longhaul-bench-", ignore_cleanup_errors=True) as name,
        running_postgres(options=POSTGRES_OPTIONS) as database,
        running_redis(Path(name) / "redis") as redis_url,
    ):
        yield Servers(database, redis_url, Path(name))


def settle_database(connection: Database) -> None:
    """What autovacuum and the checkpointer would do within a minute, so that they do not do it while we measure."""
    commands: tuple[LiteralString, ...] = ("VACUUM ANALYZE", "CHECKPOINT")
    for command in commands:
        connection.execute(command)


def empty_redis(client: "redis.Redis") -> None:
    """Nothing left, and a short file: rewriting it now saves a rewrite while we measure."""
    client.flushall()
    client.config_set("auto-aof-rewrite-percentage", 0)
    client.execute_command("BGREWRITEAOF")  # type: ignore[no-untyped-call]
    while cast(dict[str, Any], client.info("persistence"))["aof_rewrite_in_progress"]:
        time.sleep(0.01)
