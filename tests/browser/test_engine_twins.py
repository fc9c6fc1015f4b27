"""What the browser makes of a run's events, beside what the engine made of the run: at rest they are the same."""

from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page

from outbox import wire
from outbox.models import Audience, Entry
from tests import flows
from tests.integration.workflows.test_items_of_attempts import POLICIES, WORKFLOWS
from workflows import selectors
from workflows.models import Run
from workflows.testing import Harness

pytestmark = pytest.mark.django_db(transaction=True)

# What the page reads of a step. `attempt` of an undone step counts forward tries alone, on both sides.
TOLD = ("state", "attempt", "items_count", "progress", "started_at", "finished_at")


def snapshot(run: Run) -> dict[str, Any]:
    return selectors.snapshot(Run.objects.get(pk=run.pk))


def moved_on(page: Page, before: dict[str, Any]) -> dict[str, Any]:
    """`before`, moved on in the browser by all public events since."""
    public = Audience.seen_by(Audience.PUBLIC)
    rows = Entry.objects.filter(stream_id=before["id"], seq__gt=before["seq"], audience__in=public).order_by(
        "seq"
    )
    script = "([run, events]) => events.reduce((run, event) => longhaul.reduce(run, event), run)"
    moved = page.evaluate(script, [before, [wire.envelope(row) for row in rows]])
    assert isinstance(moved, dict)
    return moved


def told(run: dict[str, Any], *names: str) -> dict[str, Any]:
    """The run as the page reads it. A step that is up next is not told from one that is not: nobody announces it."""
    steps = {
        step["name"]: {
            **{name: step[name] for name in names or TOLD},
            "state": step["state"].replace("ready", "pending"),
            "detail": step["error"] and step["error"]["detail"],
        }
        for step in run["steps"]
    }
    return {
        **{name: run[name] for name in ("state", "is_terminal", "started_at", "finished_at")},
        "steps": steps,
    }


def test_of_a_run_that_succeeds(script_page: Page, longhaul: Harness) -> None:
    run = longhaul.start(flows.ordering)
    before = snapshot(run)
    longhaul.finish(run)
    assert told(moved_on(script_page, before)) == told(snapshot(run))


@pytest.mark.parametrize("policy", POLICIES)
def test_of_a_step_whose_attempts_yield_other_items(
    script_page: Page, longhaul: Harness, policy: str
) -> None:
    attempts = [("a1 b1 b1", "fails"), ("b1 c1", "dies"), ("c1 b2", "well")]
    run = longhaul.start(WORKFLOWS[policy], input={"attempts": attempts})
    before = snapshot(run)
    longhaul.finish(run)
    assert told(moved_on(script_page, before)) == told(snapshot(run))


def test_of_a_fan_out_part_by_part(script_page: Page, longhaul: Harness) -> None:
    run = longhaul.start(flows.fanning, input={"parts": [1, 2, 3, 4]})
    begun = snapshot(run)
    for name in ("pack", "weigh[2]", "weigh[0]", "weigh[3]", "weigh[1]", "total"):
        before = snapshot(run)
        longhaul.work(run.steps.get(name=name))
        assert (
            told(moved_on(script_page, before)) == told(moved_on(script_page, begun)) == told(snapshot(run))
        )
    assert snapshot(run)["state"] == "completed"


def test_of_a_fan_out_with_a_part_that_failed_and_was_skipped(script_page: Page, longhaul: Harness) -> None:
    run = longhaul.start(flows.fanning, input={"parts": [1, 2, 3], "fails": ["weigh[1]"]})
    before = snapshot(run)
    longhaul.finish(run)
    failed = moved_on(script_page, before)
    assert told(failed) == told(snapshot(run))
    assert failed["steps"][1]["progress"]["failed"] == ["weigh[1]"]
    longhaul.skip(run, "weigh[1]", 7)
    longhaul.finish(run)
    assert told(moved_on(script_page, snapshot(run))) == told(snapshot(run))
    assert told(moved_on(script_page, failed))["steps"]["weigh"]["progress"]["done"] == 3


def test_of_a_wait_and_its_answer(script_page: Page, longhaul: Harness) -> None:
    run = longhaul.start(flows.asking)
    before = snapshot(run)
    longhaul.until_waiting(run)
    waiting = moved_on(script_page, before)
    assert told(waiting) == told(snapshot(run))
    until, due_at = (one["steps"][1]["due_at"] for one in (waiting, snapshot(run)))
    assert datetime.fromisoformat(until) == datetime.fromisoformat(due_at)
    longhaul.signal(run, "approval", {"approved": True})
    answered = moved_on(script_page, waiting)
    assert told(answered) == told(snapshot(run))
    assert answered["state"] == "running"
    longhaul.skip(run, "pause")
    longhaul.finish(run)
    ended = moved_on(script_page, answered)
    assert told(ended, "state", "state_info") == told(snapshot(run), "state", "state_info")
    assert ended["steps"][3]["state_info"] == "a test"


@pytest.mark.parametrize("undo", [False, True])
def test_of_a_run_that_is_stopped_between_two_branches(
    script_page: Page, longhaul: Harness, *, undo: bool
) -> None:
    run = longhaul.start(flows.branching)
    before = snapshot(run)
    longhaul.work(run.steps.get(name="pack"))
    longhaul.work(run.steps.get(name="insure"))
    longhaul.cancel(run, undo=undo)
    longhaul.finish(run)
    assert told(moved_on(script_page, before)) == told(snapshot(run))


def test_of_a_fan_out_that_is_undone(script_page: Page, longhaul: Harness) -> None:
    run = longhaul.start(flows.fanning_back, input={"parts": [1, 2], "fails": ["total"]})
    before = snapshot(run)
    longhaul.finish(run)
    names = [
        name for name in TOLD if name != "progress"
    ]  # its size is the server's to say, and the page asks
    assert told(moved_on(script_page, before), *names) == told(snapshot(run), *names)


def test_of_an_undo_that_fails(script_page: Page, longhaul: Harness) -> None:
    run = longhaul.start(flows.undoing, input={"fails_at": "charge", "error": "fatal", "undo_fails": 99})
    before = snapshot(run)
    longhaul.finish(run)
    assert told(moved_on(script_page, before)) == told(snapshot(run))
    assert snapshot(run)["state"] == "compensation_failed"
