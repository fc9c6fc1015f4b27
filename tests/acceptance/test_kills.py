"""Kill any process at any moment, flush Redis: nothing is lost, nothing happens twice, the client heals itself."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.stack import Follower, Stack

pytestmark = pytest.mark.acceptance

# In the middle of step two: some findings are there, the model is still writing.
ITEMS_BEFORE_FAULT = 5


def kill(name: str) -> Callable[[Stack], None]:
    return lambda stack: stack.kill(name)


FAULTS = {
    "the worker that runs the step is killed": kill("worker-llm"),
    "the relay is killed": kill("relay"),
    "the fan-out is killed": kill("fanout"),
    "the web process is killed": kill("web"),
    "Redis is flushed": lambda stack: stack.redis().flushall(),
}


def check_invariants(stack: Stack, run: str) -> list[dict[str, Any]]:
    """I1, I2, I3 of one finished run; returns its log."""
    log = stack.log(run)
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1)), "seq has a hole"
    assert log[-1]["type"] == "run.completed"
    assert Counter(event["type"] for event in log)["run.completed"] == 1
    completed = Counter(event["step"] for event in log if event["type"] == "attempt.completed")
    assert set(completed.values()) == {1}, f"a step has not exactly one completed attempt: {completed}"
    assert len(completed) == 4
    indexes = [event["data"]["index"] for event in log if event["type"] == "item.committed"]
    assert indexes == list(range(len(indexes))), "an item was numbered twice or skipped"
    return log


@pytest.fixture(scope="module")
def undisturbed(stack: Stack) -> list[dict[str, Any]]:
    """The findings of a run that nobody disturbs."""
    run = stack.start_run()
    stack.wait_until_finished(run)
    return [
        event["data"]["value"] for event in check_invariants(stack, run) if event["type"] == "item.committed"
    ]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_run_completes_and_its_follower_has_each_event_once(
    stack: Stack, undisturbed, fault: str
) -> None:
    run = stack.start_run()
    follower = Follower(stack, run)
    following = threading.Thread(target=follower.follow, kwargs={"until": follower.has_end})
    following.start()
    stack.wait_until_items(run, at_least=ITEMS_BEFORE_FAULT)

    FAULTS[fault](stack)

    snapshot = stack.wait_until_finished(run)
    assert snapshot["state"] == "completed", snapshot
    log = check_invariants(stack, run)
    following.join(timeout=60)
    assert not following.is_alive()
    public = [event for event in log if event["seq"] in {seen["seq"] for seen in follower.events}]
    assert follower.events == public, "the follower's events differ from the log's"
    assert follower.doubled == []
    hidden = {event["type"] for event in log} - {event["type"] for event in follower.events}
    assert all(kind.startswith("attempt.") or kind == "item.rejected" for kind in hidden)
    missing = [event for event in log if event not in follower.events]
    assert all(event["type"].startswith("attempt.") or event["type"] == "item.rejected" for event in missing)
    findings = [event["data"]["value"] for event in log if event["type"] == "item.committed"]
    assert findings == undisturbed, "the findings differ from those of an undisturbed run"
