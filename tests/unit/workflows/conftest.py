"""A handler run as the executor would run it, without a database."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from streaming.llm import Model
from tests.fakes import FakeRecords
from workflows.definitions import Workflow, registry
from workflows.engine.lease import Lease
from workflows.engine.outcomes import Outcome
from workflows.engine.retry import RetryPolicy
from workflows.execution import executor
from workflows.execution.signals import Signals
from workflows.states import AttemptKind
from workflows.telemetry import Trace
from workflows.testing import ScriptedModel


class Nothing(BaseModel): ...


@pytest.fixture
def run() -> Iterator[Callable[..., Outcome]]:
    """Run one handler as the executor would."""
    workflows: list[Workflow] = []

    def execute(
        declared: Any,
        *,
        records: FakeRecords | None = None,
        model: Model | None = None,
        kind: AttemptKind = AttemptKind.FORWARD,
        number: int = 1,
        signals: Signals | None = None,
    ) -> Outcome:
        workflow = Workflow(f"test-{uuid4()}", version=1, input=Nothing, title="x", steps=[declared])
        workflows.append(workflow)
        lease = Lease(
            step_id=uuid4(),
            run_id=uuid4(),
            step_name=declared.name,
            handler=declared.name,
            workflow=workflow.name,
            version=1,
            token=uuid4(),
            kind=kind,
            number=number,
            policy=RetryPolicy(max_attempts=3, base=1, cap=10),
            trace=Trace(trace_id="1" * 32, span_id="1" * 16),
        )
        return executor.run(
            lease,
            records=records or FakeRecords(),
            signals=signals or Signals(),
            model=lambda: model or ScriptedModel(),
        )

    yield execute
    for workflow in workflows:
        registry.forget(workflow)
