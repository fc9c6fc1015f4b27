"""The drawing of a run over time: to scale, with long idle stretches cut short."""

from datetime import UTC, datetime, timedelta
from typing import Any

from workflows.admin.timeline import Timeline, timeline
from workflows.admin.wording import ago, clipped, counted, duration
from workflows.models import Attempt, Step

BEGAN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def a_step(position: int, title: str, **fields: Any) -> Step:
    return Step(position=position, stage=position, branch=0, name=title.lower(), title=title, **fields)


def an_attempt(
    step: Step,
    start: float,
    end: float | None,
    *,
    number: int = 1,
    kind: str = "forward",
    state: str = "completed",
) -> Attempt:
    finished_at = None if end is None else at(end)
    return Attempt(
        pk=int(start * 10) + 1, step=step, kind=kind, number=number, state=state, started_at=at(start),
        finished_at=finished_at,
    )  # fmt: skip


def drawn(steps: list[Step], attempts: list[Attempt], *, now: float = 100) -> Timeline:
    found = timeline(steps, attempts, began=BEGAN, now=at(now))
    assert found is not None
    return found


def test_nothing_is_drawn_before_the_first_attempt() -> None:
    assert timeline([a_step(0, "Read")], [], began=BEGAN, now=at(5)) is None


def test_attempts_lie_where_and_as_long_as_they_took() -> None:
    read, write = a_step(0, "Read"), a_step(1, "Write")
    first, second = drawn([read, write], [an_attempt(read, 0, 25), an_attempt(write, 25, 100)]).lanes
    assert [(bar.kind, bar.x, bar.width) for bar in first.bars] == [("completed", 0, 25)]
    assert [(bar.kind, bar.x, bar.width) for bar in second.bars] == [("completed", 25, 75)]


def test_waiting_for_a_worker_and_between_two_tries_are_different_things() -> None:
    read, write = a_step(0, "Read"), a_step(1, "Write")
    attempts = [
        an_attempt(read, 2, 40),
        an_attempt(write, 42, 60, state="failed"),
        an_attempt(write, 65, 100, number=2),
    ]
    first, second = drawn([read, write], attempts).lanes
    assert [bar.kind for bar in first.bars] == ["wait", "completed"]
    assert [bar.kind for bar in second.bars] == ["wait", "failed", "again", "completed"]
    assert second.words == (
        "waited 2 s for a worker; forward try 1: failed, 18 s; 5 s until try 2; forward try 2: completed, 35 s"
    )


def test_a_night_in_which_nothing_ran_is_cut_short_and_said() -> None:
    read = a_step(0, "Read")
    attempts = [an_attempt(read, 0, 10, state="failed"), an_attempt(read, 36_010, 36_020, number=2)]
    found = drawn([read], attempts, now=36_020)
    failed, again, done = found.lanes[0].bars
    assert failed.width == done.width > 40
    assert [bar.title for bar in found.idle] == ["nothing ran for 10 h 0 min"]
    assert found.idle[0].width == again.width < 20


def test_an_attempt_under_way_reaches_to_now() -> None:
    read = a_step(0, "Read")
    found = drawn([read], [an_attempt(read, 0, None, state="running")], now=30)
    assert (found.lanes[0].bars[0].width, found.end) == (100, at(30))


def test_undo_has_lanes_of_its_own_in_the_order_in_which_it_ran() -> None:
    read, write = a_step(0, "Read"), a_step(1, "Write")
    attempts = [
        an_attempt(read, 0, 10),
        an_attempt(write, 10, 20),
        an_attempt(read, 30, 40, kind="undo"),
        an_attempt(write, 20, 30, kind="undo"),
    ]
    lanes = drawn([read, write], attempts).lanes
    assert [(lane.label, lane.is_undo) for lane in lanes] == [
        ("Read", False),
        ("Write", False),
        ("Write", True),
        ("Read", True),
    ]


def test_what_took_no_time_can_still_be_seen_and_stays_inside() -> None:
    read = a_step(0, "Read")
    for attempts in ([an_attempt(read, 0, 0)], [an_attempt(read, 0, 50), an_attempt(read, 50, 50, number=2)]):
        for bar in drawn([read], attempts).lanes[0].bars:
            assert bar.width > 0
            assert bar.x + bar.width <= 100


def test_times_and_amounts_in_words() -> None:
    spans = (-3, 0.44, 9.99, 12.7, 59.9, 60, 252, 3600, 11_000, 86_400, 450_000)
    assert ", ".join(duration(seconds) for seconds in spans) == (
        "0 s, 0.4 s, 9.9 s, 12 s, 59 s, 1 min 0 s, 4 min 12 s, 1 h 0 min, 3 h 3 min, 1 d 0 h, 5 d 5 h"
    )
    assert [ago(BEGAN, at(seconds)) for seconds in (-9, 4, 30, 61, 7_300, 200_000)] == [
        "now", "now", "30 s ago", "1 min ago", "2 h ago", "2 d ago",
    ]  # fmt: skip
    assert counted({"done": 13.0, "total": 19, "unit": "pages"}) == "13 of 19 pages"
    assert counted({"done": 7, "total": None, "unit": "pages"}) == "7 pages"
    assert (counted(None), clipped("a\nlong  line", 7)) == ("", "a long…")


def test_a_fan_out_and_a_wait_are_one_bar_each_though_they_have_no_attempts() -> None:
    read = a_step(0, "Read")
    fan_out = a_step(1, "Judge", kind="fan_out", state="completed", started_at=at(10), finished_at=at(30))
    wait = a_step(2, "Approval", kind="wait", state="waiting", started_at=at(30))
    part = Step(position=1, stage=1, branch=0, name="judge[0]", title="Judge", parent=fan_out)
    found = drawn([read, fan_out, wait], [an_attempt(read, 0, 10), an_attempt(part, 10, 30)], now=90)
    bars = {lane.label: [(bar.kind, bar.title) for bar in lane.bars] for lane in found.lanes}
    assert bars["Judge"] == [("completed", "completed, 20 s")]
    assert bars["Approval"] == [("wait", "waiting, 1 min 0 s")]
