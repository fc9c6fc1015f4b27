"""What the page says of a run, sentence by sentence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workflows.pages.cards import label, plural
from workflows.pages.painting import Painter
from workflows.pages.words import words
from workflows.states import RunState, StepState

NOW = datetime(2026, 11, 22, 9, 31, 4, tzinfo=UTC)
NBSP = "\u00a0"


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def step(name: str = "write", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": name.title(),
        "state": "pending",
        "attempt": 1,
        "max_attempts": 3,
        "progress": None,
        "items_count": 0,
        "due_at": None,
        "started_at": None,
        "finished_at": None,
        "error": None,
        **fields,
    }


def run(state: str, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "state": state,
        "state_info": "",
        "is_terminal": state in {"completed", "failed", "compensated", "compensation_failed", "cancelled"},
        "started_at": at(-72),
        "finished_at": None,
        "steps": list(steps),
        **fields,
    }


@pytest.fixture
def painter() -> Painter:
    return Painter(words=words(), now=NOW, noun=("finding", "findings"), labels={"due": "Due date"})


@pytest.mark.parametrize("state", RunState.values)
def test_every_state_of_a_run_has_its_words(painter: Painter, state: str) -> None:
    assert painter.headline(run(state)).strip()
    assert painter.position(run(state, step())).strip()
    assert words()["run"][state]


@pytest.mark.parametrize("state", StepState.values)
def test_every_state_of_a_step_has_its_words(painter: Painter, state: str) -> None:
    assert painter.note(step(state=state)).strip()


def test_a_running_run_is_headed_by_what_it_does(painter: Painter) -> None:
    shown = run(
        "running", step("read", state="completed"), step("write", state="running"), state_info="Page 3"
    )
    assert painter.headline(shown) == "Write"
    assert painter.detail(shown) == "Page 3"


def test_the_headline_is_not_said_twice(painter: Painter) -> None:
    assert painter.detail(run("running", step(state="running"), state_info="Write")) == ""


def test_the_bar_counts_whole_steps_and_the_counted_part_of_the_current_one(painter: Painter) -> None:
    progress = {"done": 3.0, "total": 12.0, "unit": "pages"}
    shown = run("running", step(state="completed"), step(state="running", progress=progress))
    assert painter.percent(shown) == 62
    assert painter.position(shown) == "Step 2 of 2 · 3 of 12 pages"


def test_without_a_total_there_is_a_count_and_no_guess(painter: Painter) -> None:
    progress = {"done": 40.0, "total": None, "unit": "lines"}
    shown = run("running", step(state="running", progress=progress), step())
    assert painter.percent(shown) == 0
    assert painter.position(shown) == "Step 1 of 2 · 40 lines"


def test_a_finished_run_says_how_long_it_took(painter: Painter) -> None:
    shown = run("completed", step(state="completed"), finished_at=at(0))
    assert painter.position(shown) == f"All steps done in 1{NBSP}min 12{NBSP}s"


def test_a_step_at_work_says_how_far_how_often_and_how_long(painter: Painter) -> None:
    working = step(
        state="running",
        attempt=2,
        items_count=1,
        started_at=at(-12),
        progress={"done": 1, "total": 4, "unit": "pages"},
    )
    assert painter.note(working) == f"working · 1 of 4 pages · 1 finding · try 2 of 3 · 12{NBSP}s"


def test_a_step_between_two_tries_says_when_which_and_why(painter: Painter) -> None:
    error = {"code": "closed", "detail": "The shop is closed.", "retryable": True}
    waiting = step(state="retrying", attempt=1, max_attempts=5, due_at=at(12.9), error=error)
    assert painter.note(waiting) == f"trying again in 12{NBSP}s (2 of 5)"
    assert painter.step_error(waiting) == "The shop is closed."
    assert painter.note({**waiting, "due_at": at(-3)}) == "trying again now (2 of 5)"


def test_a_failure_names_the_step_and_the_reason(painter: Painter) -> None:
    error = {"code": "closed", "detail": "The shop is closed.", "retryable": True}
    assert painter.failure(run("failed", step(state="failed", error=error))) == "Write: The shop is closed."
    assert painter.failure(run("failed", step(), error=error)) == "The shop is closed."
    assert painter.failure(run("failed", step())) == "It stopped without saying why."
    assert painter.failure(run("running", step(state="retrying", error=error))) == ""


def test_a_card_shows_each_field_once_in_the_order_of_the_model(painter: Painter) -> None:
    value = {
        "kind": "end_date",
        "title": "End",
        "value": "May",
        "page": 3,
        "quote": "in May",
        "zone": None,
        "due": "9 May",
        "about": 2.0,
    }
    card = painter.card({"step": "write", "index": 0, "key": "k", "value": value})
    assert card["fields"]["kind_label"] == "End date"
    assert card["fields"]["page"] == "page 3"
    assert card["more"] == [("Due date", "9 May"), ("About", "2")]


def test_an_item_without_a_title_is_headed_by_its_first_field(painter: Painter) -> None:
    card = painter.card({"step": "write", "index": 0, "key": "k", "value": {"zone": "x", "due": "9 May"}})
    assert card["fields"]["title"] == "9 May"
    assert card["more"] == [("Zone", "x")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (2.0, "2"),
        (2.5, "2.5"),
        ([1, "a", None], "1, a, "),
        ({"b": [1], "a": 2}, '{"a":2,"b":[1]}'),
    ],
)
def test_any_value_can_be_read(painter: Painter, value: Any, text: str) -> None:
    assert painter.text(value) == text


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "under 1 s"), (59.9, "59 s"), (61, "1 min 1 s"), (7_384, "2 h 3 min")]
)
def test_durations_are_said_in_two_units_at_most(painter: Painter, seconds: float, said: str) -> None:
    assert painter.duration(seconds).replace(NBSP, " ") == said


def test_names_become_words() -> None:
    assert label("due_date", {}) == "Due date"
    assert [plural(noun) for noun in ("finding", "party", "day")] == ["findings", "parties", "days"]
