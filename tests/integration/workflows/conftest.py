"""The engine's tests drive runs with our own product, under an older name: a step at a time, on the test's clock."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from outbox.models import Entry
from tests import flows
from workflows.models import Run
from workflows.telemetry import process
from workflows.telemetry.spans import Spans
from workflows.testing import FakeClock, Harness


@pytest.fixture
def engine(longhaul: Harness) -> Harness:
    flows.ledger.clear()
    return longhaul


@pytest.fixture
def clock(longhaul: Harness) -> FakeClock:
    return longhaul.clock


@pytest.fixture
def log() -> Callable[[Run], list[str]]:
    """The types of a run's events, in order."""

    def read(run: Run) -> list[str]:
        return list(Entry.objects.filter(stream_id=run.id).order_by("seq").values_list("type", flat=True))

    return read


@pytest.fixture
def lines(caplog) -> Iterator[Any]:
    """The fields of all lines of transitions so far, in order."""
    caplog.set_level(logging.INFO, logger="workflows.transitions")
    plain = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def read() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "workflows.transitions"]
        return [
            {
                "message": record.getMessage(),
                **{key: value for key, value in vars(record).items() if key not in plain},
            }
            for record in records
        ]

    return read


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    process.use(Spans(SimpleSpanProcessor(exporter)))
    yield exporter
    process.use(None)
