"""The engine's tests drive runs with our own product, under an older name: a step at a time, on the test's clock."""

from collections.abc import Callable

import pytest

from outbox.models import Entry
from tests import flows
from workflows.models import Run
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
