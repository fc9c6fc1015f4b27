"""A snapshot moved on by events looks as a later snapshot would."""

from typing import Any

import pytest

from streaming.client import Picture
from streaming.client.effects import Request
from tests.unit.streaming.client.stage import END, Reply, Stage, answer, lines, problem, stream


def step(name: str, state: str = "pending", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "state": state,
        "attempt": 0,
        "progress": None,
        "error": None,
        **fields,
    }


def snapshot(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    base = {"id": "r1", "title": "A run", "state": "running", "state_info": "", "epoch": 1, "seq": 4}
    return {**base, "steps": list(steps), **fields}


def event(kind: str, name: str | None = None, attempt: int | None = None, **data: Any) -> dict[str, Any]:
    return {"type": kind, "step": name, "attempt": attempt, "data": data}


ERROR = {"code": "away", "detail": "The model is away.", "retryable": True}


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (event("step.started", "write", title="Write"), "running"),
        (event("step.retry_scheduled", "write", error=ERROR, retry_at="…", max_attempts=3), "retrying"),
        (event("step.waiting", "write"), "waiting"),
        (event("step.completed", "write"), "completed"),
        (event("step.reset", "write"), "pending"),
        (event("compensation.started", "write"), "compensating"),
        (event("compensation.failed", "write", error=ERROR), "compensation_failed"),
        (event("step.invented_later", "write"), "pending"),
        (event("step.started", "unknown"), "pending"),
    ],
)
def test_a_step_takes_the_state_that_its_event_tells(line: dict[str, Any], state: str) -> None:
    picture = Picture(snapshot(step("write"))).apply(line)

    assert picture.run["steps"][0]["state"] == state
    assert picture.last is line


def test_a_failure_says_why_and_the_next_try_forgets_it() -> None:
    picture = Picture(snapshot(step("write", "running", attempt=1)))
    picture.apply(event("step.retry_scheduled", "write", 1, error=ERROR))
    assert picture.run["steps"][0]["error"] == ERROR
    picture.apply(event("step.started", "write", 2))
    assert picture.run["steps"][0]["error"] is None
    assert picture.run["steps"][0]["attempt"] == 2

    picture.apply(event("run.failed", error=ERROR, failed_step="write"))
    assert (picture.run["state"], picture.run["state_info"]) == ("failed", "The model is away.")


def test_the_part_that_is_done_counts_steps_and_the_progress_of_those_that_run() -> None:
    picture = Picture(snapshot(step("read", "completed"), step("write", "running"), step("check")))
    assert picture.part_done == pytest.approx(1 / 3)
    picture.apply(event("step.progress", "write", done=1, total=2, unit="pages"))
    assert picture.part_done == pytest.approx(1.5 / 3)
    picture.apply(event("step.progress", "write", done=7, total=None, unit="pages"))
    assert picture.part_done == pytest.approx(1 / 3)


def test_parts_of_a_fan_out_are_counted() -> None:
    picture = Picture(snapshot(step("score")))
    picture.apply(event("step.expanded", "score", parts=2))
    picture.apply(event("step.started", "score[0]"))
    picture.apply(event("step.completed", "score[0]"))
    assert picture.run["steps"][0]["progress"] == {"done": 1, "total": 2, "unit": "parts"}
    assert picture.run["steps"][0]["state"] == "running"


def test_the_snapshot_that_it_was_made_of_is_left_as_it_is() -> None:
    was = snapshot(step("write"))
    Picture(was).apply(event("step.started", "write"))
    assert was == snapshot(step("write"))


def watched(stage: Stage) -> list[tuple[str, int, str | None]]:
    """Of each picture: state, items, what moved it."""
    seen = []
    for picture in stage.performed(stage.conversation.watch("r1", timeout_seconds=None, on_cut=None)):
        count = sum(len(held) for held in picture.items.values())
        seen.append((picture.run["state"], count, picture.last and picture.last["type"]))
    return seen


def item(index: int) -> dict[str, Any]:
    return {"index": index, "key": str(index), "type": "Line", "value": {"number": index}}


def test_who_watches_sees_the_snapshot_its_items_and_what_follows() -> None:
    log = [
        {"seq": 5, **event("item.committed", "write", **item(1))},
        {"seq": 6, **event("run.completed", items_count=2)},
    ]

    def serve(request: Request) -> Reply:
        if request.path.endswith("/items"):
            return answer({"items": [{**item(0), "step": "write"}], "next": None})
        if request.path.endswith("/events"):
            return stream(lines(*log, END))
        return answer(snapshot(step("write", "running")))

    stage = Stage(serve)

    assert watched(stage) == [
        ("running", 1, None),
        ("running", 2, "item.committed"),
        ("completed", 2, "run.completed"),
        ("completed", 2, "end"),
    ]
    assert stage.cursors == ["4"]


def test_who_may_not_see_items_sees_the_rest_and_a_restored_log_is_a_new_picture() -> None:
    snapshots = iter([snapshot(step("write")), snapshot(step("write"), epoch=9, seq=2)])
    logs = iter([lines({"type": "reset", "epoch": 9, "head": 2}), lines(END)])

    def serve(request: Request) -> Reply:
        if request.path.endswith("/items"):
            return problem(403, "permission-denied")
        return stream(next(logs)) if request.path.endswith("/events") else answer(next(snapshots))

    stage = Stage(serve)

    assert watched(stage) == [("running", 0, None), ("running", 0, None), ("running", 0, "end")]
    assert stage.cursors == ["4", "9.2"]
