"""The most memory that processes had while something was measured."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import psutil
import redis

INTERVAL_SECONDS = 0.1
MEGABYTE = 1_000_000

Reading = Callable[[], float]


def resident_of(pid: int) -> Reading:
    """Reads the bytes that a process has in memory, shared ones included; 0 when it has gone."""

    def read() -> float:
        try:
            return float(psutil.Process(pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0.0

    return read


def private_of(pid: int) -> Reading:
    """Without what the process shares: PostgreSQL's buffers belong to all its backends. Where the system does not
    tell these apart, all of it."""
    status = Path(f"/proc/{pid}/status")
    whole = resident_of(pid)

    def read() -> float:
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            return float(lines["RssAnon"].split()[0]) * 1_024
        except (OSError, KeyError):
            return whole()

    return read


def used_by(client: "redis.Redis") -> Reading:
    """Reads the bytes that Redis allocated, for data and clients."""
    return lambda: float(cast(dict[str, Any], client.info("memory"))["used_memory"])


class Peaks:
    """Reads each of `readings` ten times a second until the block ends; `most` is in MB (millions of bytes)."""

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self._readings = readings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most: dict[str, float] = dict.fromkeys(readings, 0.0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._look()

    def _look(self) -> None:
        for name, reading in self._readings.items():
            self.most[name] = max(self.most[name], reading() / MEGABYTE)
