"""The workflow in the README is code: it is taken from there and run."""

import re
import sys
import types
from pathlib import Path

import pytest

from workflows import services
from workflows.definitions import registry
from workflows.models import Run
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)

BLOCKS = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)


@pytest.fixture
def printing():
    module = types.ModuleType("readme_flows")
    sys.modules[module.__name__] = module  # annotations are looked up there
    exec(compile(BLOCKS[0], "README.md", "exec"), module.__dict__)
    yield module.printing
    registry.forget(module.printing)
    del sys.modules[module.__name__]


def test_the_workflow_of_the_readme_runs_streams_and_can_be_undone(printing, owner, operator, clock, engine):
    run = services.start(printing, input={"book": "Moby-Dick"}, owner=owner, clock=clock)
    engine.drive(run)
    run.refresh_from_db()
    assert (run.state, run.title) == (RunState.COMPLETED, "Printing Moby-Dick")
    assert [item.data["number"] for item in run.items.all()] == [1, 2, 3, 4, 5]

    services.compensate(run.id, by=operator, clock=clock)
    engine.drive(run)
    assert Run.objects.get().state == RunState.COMPENSATED


def test_it_is_about_thirty_lines():
    lines = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(lines) <= 32
