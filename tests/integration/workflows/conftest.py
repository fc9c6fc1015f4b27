"""The engine's tests drive runs in this process: a step at a time, on the test's clock."""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

import pytest
from celery import current_app
from django.db.models import Q
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from outbox.models import Entry
from tests import flows
from tests.conftest import FakeClock
from workflows.engine.lease import Lease
from workflows.engine.outcomes import Fenced, Outcome
from workflows.execution import executor
from workflows.execution.signals import Signals
from workflows.models import Run, Step
from workflows.services import leases, settling
from workflows.services.records import LeasedRecords
from workflows.services.sweep import sweep
from workflows.states import StepState
from workflows.telemetry import process
from workflows.telemetry.spans import Spans

ROLL = 0.5


class Engine:
    """A worker and a sweeper under the test's hand."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.holder = "test-host/1:1:1.00"

    def acquire(self, step: Step) -> Lease | None:
        return leases.acquire(step.id, holder=self.holder, clock=self.clock, roll=ROLL)

    def execute(self, lease: Lease) -> Outcome:
        records = LeasedRecords(lease, clock=self.clock)
        return executor.run(lease, records=records, signals=Signals(), model=no_model)

    def settle(self, lease: Lease, outcome: Outcome) -> list[UUID]:
        assert not isinstance(outcome, Fenced)
        return settling.settle(lease, outcome, clock=self.clock, roll=ROLL)

    def work(self, step: Step) -> Outcome | None:
        """What the task does with one message. None when there was nothing to do."""
        lease = self.acquire(step)
        if lease is None:
            return None
        outcome = self.execute(lease)
        self.settle(lease, outcome)
        return outcome

    def drive(self, run: Run) -> None:
        """Work on whatever can be acquired until nothing can."""
        acquirable = Q(state=StepState.READY) | Q(
            state=StepState.COMPENSATING, retry_at=None, due_at__isnull=False
        )
        while step := run.steps.filter(acquirable, lease_token=None).order_by("position", "index").first():
            self.work(step)

    def finish(self, run: Run) -> Run:
        """Drive, and turn the clock to the next alarm whenever nothing can be worked on, until the run rests."""
        for _ in range(100):
            self.drive(run)
            run = Run.objects.get(pk=run.pk)
            alarms = (
                run.steps.filter(due_at__isnull=False).order_by("due_at").values_list("due_at", flat=True)
            )
            if run.is_terminal or not alarms:
                return run
            self.clock.moment = max(self.clock.moment, alarms[0])
            self.sweep()
        raise AssertionError(f"the run does not come to rest: {run.state}")

    def sweep(self, *, after_seconds: float = 0) -> int:
        self.clock.moment += timedelta(seconds=after_seconds)
        return sweep(clock=self.clock, roll=lambda: ROLL)


def no_model() -> NoReturn:
    raise AssertionError("this workflow asks no model")


@pytest.fixture
def engine(clock: FakeClock) -> Engine:
    flows.ledger.clear()
    return Engine(clock)


@pytest.fixture
def log() -> Callable[[Run], list[str]]:
    """The types of a run's events, in order."""

    def read(run: Run) -> list[str]:
        return list(Entry.objects.filter(stream_id=run.id).order_by("seq").values_list("type", flat=True))

    return read


@pytest.fixture(autouse=True)
def empty_queues() -> None:
    """What earlier tests sent to the broker of this process is nobody's: a sweep would take it for a backlog."""
    with current_app.connection_or_acquire() as connection:
        for queue in ("default", "llm"):
            connection.default_channel.queue_declare(queue)
            connection.default_channel.queue_purge(queue)


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
