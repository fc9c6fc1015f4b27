"""A process that relays, for `benchmarks.children`: a backlog, its own commits, or whatever others commit."""

import threading
import time
from uuid import UUID

import psutil
from django.db import connection, transaction

from benchmarks.children import Answer, Commands
from benchmarks.processors import processor_seconds
from benchmarks.relay.writing import committed_item
from outbox.append import append
from outbox.clock import CLOCK
from outbox.looping import RelayLoop
from outbox.publisher import RedisPublisher
from outbox.redis import client
from outbox.relay import drain, relay_named

_running: list[tuple[RelayLoop, threading.Thread]] = []


def backend() -> Answer:
    """The process of PostgreSQL that serves this one."""
    return {"pid": _backend()}


def publish_backlog() -> Answer:
    """Seconds, and those of a processor in this process and in its backend, until nothing is left to publish."""
    server = psutil.Process(_backend())
    before, cpu, since = processor_seconds(server), time.process_time(), time.monotonic()
    published = drain(RedisPublisher(client()), clock=CLOCK)
    return {
        "published": published,
        "seconds": time.monotonic() - since,
        "cpu_seconds": time.process_time() - cpu,
        "backend_cpu_seconds": processor_seconds(server) - before,
    }


def publish_singly(keys: list[str], count: int) -> Answer:
    """`count` commits of one event each, one after the other over the runs `keys`, each published before the next.

    Seconds of each append (with its commit and its wake-up), and of what the relay does when a commit names a stream.
    """
    publisher, server = RedisPublisher(client()), psutil.Process(_backend())
    before, cpu = processor_seconds(server), time.process_time()
    appends, passes = [], []
    for number in range(count):
        key = UUID(keys[number % len(keys)])
        since = time.monotonic()
        with transaction.atomic():
            append(key, [committed_item(number)], now=CLOCK.now())
        written = time.monotonic()
        relay_named(publisher, [key], clock=CLOCK)
        appends.append(written - since)
        passes.append(time.monotonic() - written)
    return {
        "append_seconds": appends,
        "relay_seconds": passes,
        "cpu_seconds": time.process_time() - cpu + processor_seconds(server) - before,
    }


def start_loop() -> Answer:
    """The loop of a relay, in a thread, as in a worker."""
    loop = RelayLoop()
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    _running.append((loop, thread))
    return {}


def stop_loop() -> Answer:
    """End it in good order: it gives its shards back for the next one."""
    loop, thread = _running.pop()
    loop.stop()
    thread.join()
    return {}


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


COMMANDS: Commands = {
    command.__name__: command for command in (backend, publish_backlog, publish_singly, start_loop, stop_loop)
}
