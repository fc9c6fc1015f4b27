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


def test_a_fan_out_says_how_many_parts_and_which_failed(painter: Painter) -> None:
    failed = [f"score[{index}]" for index in range(6)]
    counts = {"done": 12, "total": 40, "unit": "parts", "failed": failed[:1]}
    fan = step(kind="fan_out", state="running", attempt=0, progress=counts)
    assert painter.note(fan) == "working · 12 of 40 parts · failed: score[0]"
    assert painter.position(run("running", fan)) == "Step 1 of 1 · 12 of 40 parts"
    assert painter.percent(run("failed", {**fan, "state": "failed"})) == 30
    many = painter.note({**fan, "state": "failed", "progress": {**counts, "failed": failed}})
    assert many.endswith("failed: score[0], score[1], score[2], score[3], score[4] …")
    assert painter.note({**fan, "state": "pending"}) == "not started"


def test_a_run_that_waits_says_for_what_and_until_when(painter: Painter) -> None:
    wait = step("approval", kind="wait", state="waiting", title="Waiting for approval", due_at=at(3_600))
    shown = run("waiting", step(state="completed"), wait, state_info="Waiting for approval")
    assert painter.headline(shown) == "Waiting for approval"
    assert painter.detail(shown) == f"Until 22{NBSP}Nov, 10:31{NBSP}UTC"
    assert painter.note(wait) == f"waiting until 22{NBSP}Nov, 10:31{NBSP}UTC"
    answered = {**wait, "state": "completed", "due_at": None, "started_at": at(-7_200), "finished_at": at(0)}
    assert painter.note(answered) == f"done · waited 2{NBSP}h 0{NBSP}min"


def test_branches_at_work_together_are_both_named_and_said_once(painter: Painter) -> None:
    shown = run("running", step(), step("a", state="running"), step("b", state="running"), state_info="A")
    assert painter.headline(shown) == "A, B"
    assert painter.detail(shown) == ""
    assert painter.position(shown) == "Steps 2, 3 of 3"


def test_a_step_that_was_skipped_says_why(painter: Painter) -> None:
    assert painter.note(step(state="skipped", state_info="Told by phone.")) == "skipped: Told by phone."
    assert painter.note(step(state="skipped", state_info="")) == "skipped"


def test_days_in_which_nobody_worked_are_not_called_work(painter: Painter) -> None:
    first = step(state="completed", started_at=at(-300_000), finished_at=at(-299_940))
    beside = step(state="completed", started_at=at(-299_970), finished_at=at(-299_940))
    wait = step(kind="wait", state="completed", started_at=at(-299_940), finished_at=at(-10))
    last = step(state="completed", started_at=at(-10), finished_at=at(0))
    shown = run("completed", first, beside, wait, last, started_at=at(-300_000), finished_at=at(0))
    since = f"18{NBSP}Nov, 22:11{NBSP}UTC"
    assert painter.position(shown) == f"All steps done in 1{NBSP}min 10{NBSP}s of work, begun {since}"


def test_an_undone_run_says_that_its_result_is_gone_and_why(painter: Painter) -> None:
    error = {"code": "closed", "detail": "The shop is closed.", "retryable": True}
    undone = run("compensated", step(state="compensated"), step(state="failed", error=error), error=error)
    assert painter.gone(undone).endswith("is gone. The reason: The shop is closed.")
    assert painter.position(undone) == "Steps undone: 1"
    assert painter.failure(undone) == ""
    assert painter.gone(run("completed", step(state="completed"))) == ""


def test_an_undo_that_failed_names_its_step_and_who_was_told(painter: Painter) -> None:
    error = {"code": "silent", "detail": "No answer.", "retryable": True}
    stuck = run("compensation_failed", step(state="compensation_failed", error=error), error=error)
    assert painter.failure(stuck) == "Write could not be undone: No answer."
    assert painter.kept(stuck).startswith("An operator was told.")
    assert painter.note(stuck["steps"][0]) == "could not be undone: an operator was told"


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


def with_usage(cost: float | None, *, tokens: int = 1_234, is_estimated: bool = False) -> dict[str, Any]:
    usage = {"tokens_in": tokens - 34 if tokens else 0, "tokens_out": 34 if tokens else 0, "cost": cost}
    return run("running", step(usage={"is_estimated": is_estimated}), usage={**usage, "currency": "EUR"})


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, ""), (0.0, ""), (0.00004, "under 0.0001"), (0.00005, "0.0001"), (0.0312, "0.0312"), (0.07, "0.0700"),
        (0.99999, "1.0000"), (1.0, "1.00"), (1234.567, "1,234.57"),
    ],
)  # fmt: skip
def test_what_was_used_is_told_in_tokens_and_money(painter: Painter, cost: float | None, text: str) -> None:
    said = f"1,234 tokens used · {text}{NBSP}EUR" if text else "1,234 tokens used"
    assert painter.used(with_usage(cost)) == said


def test_an_estimate_is_called_one(painter: Painter) -> None:
    assert painter.used(with_usage(None, is_estimated=True)) == "About 1,234 tokens used"


def test_nothing_is_said_of_nothing_nor_to_those_who_are_not_told(painter: Painter) -> None:
    assert painter.used(with_usage(None, tokens=0)) == ""
    assert painter.used({**with_usage(1.0), "usage": None}) == ""
