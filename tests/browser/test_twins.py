"""The page's words come from two hands, Python's at first and then the browser's: they must agree to the letter."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from playwright.sync_api import Page

from streaming.folding import items_of
from tests.browser.conftest import ORIGIN, STATIC
from tests.unit.workflows.test_painting import NOW, at, run, step
from workflows.pages.painting import Painter
from workflows.pages.words import words
from workflows.states import RunState, StepState

NOUN = ("finding", "findings")
LABELS = {"kind": "Kind", "due": "Due date", "value": "Value"}
ERROR = {"code": "closed", "detail": "The shop is closed.", "retryable": True}
PARTS = {"done": 12, "total": 40, "unit": "parts", "failed": [f"write[{index}]" for index in range(7)]}
PROGRESS = [None, {"done": 3.0, "total": 7.0, "unit": "pages"}, {"done": 2.5, "total": None, "unit": ""}]

STEPS = [
    step(
        state=state,
        attempt=attempt,
        progress=progress,
        items_count=items,
        error=ERROR if state in {"failed", "retrying", "compensation_failed"} else None,
        started_at=started,
        finished_at=at(0) if state in {"completed", "failed"} else None,
        due_at=at(75) if state in {"retrying", "waiting"} else None,
        state_info="Not needed." if attempt == 2 else "",
        kind=kind,
    )
    for kind, counts in (("step", PROGRESS), ("wait", PROGRESS[:1] * 3), ("fan_out", [None, PARTS, PARTS]))
    for state in StepState.values
    for attempt, progress, items, started in zip(
        (1, 2, 2), counts, (0, 1, 13), (None, at(-0.5), at(-4000)), strict=True
    )
]
RUNS = [
    run(state, *STEPS[offset : offset + 5], state_info=info, finished_at=at(3), error=error)
    for state in RunState.values
    for offset in range(0, len(STEPS) - 5, 3)
    for info, error in (("", None), ("Reading page 3 of 9", ERROR))
] + [
    run("pending"),
    run("completed", step(state="completed"), started_at=None),
    run("completed", step(started_at=at(-99), finished_at=at(0)), started_at=at(-99), finished_at=at(3)),
    run(
        "completed",
        step(started_at=at(-300_000), finished_at=at(-299_000)),
        step(started_at=at(-299_500), finished_at=at(-298_000)),
        step(kind="wait", started_at=at(-298_000), finished_at=at(-9)),
        step(started_at=at(-9), finished_at=at(0)),
        started_at=at(-300_001),
        finished_at=at(0),
    ),
]
USAGES = [
    run("completed", *(step(usage=used) for used in steps), usage={"currency": "USD", **usage})
    for steps in ([None], [{"is_estimated": False}, {"is_estimated": True}])
    for usage in (
        {"tokens_in": 0, "tokens_out": 0, "cost": None},
        *(
            {"tokens_in": tokens, "tokens_out": tokens * 7, "cost": cost}
            for tokens in (1, 999, 1_000, 123_456_789_012)
            for cost in (
                None,
                0.0,
                0.00004,
                0.00005,
                0.03125,
                0.07,
                0.99995,
                1.0,
                1.005,
                999.995,
                1_234_567.891,
            )
        ),
    )
] + [run("running", step(), usage=None), run("running")]
VALUES: list[dict[str, Any]] = [
    {},
    {"kind": "end_date", "title": "End", "value": "May", "page": 3, "quote": "in May", "due": "9 May"},
    {"name": "Anna", "zone": None, "due": "", "sure": True, "about": 2.0, "half": 0.5},
    {"text": "first", "list": [1, "a", None], "tree": {"b": [1], "a": "ä"}, "pairs": [[1], {"c": 2}]},
]


SENTENCES = ["headline", "detail", "percent", "position", "failure", "kept", "gone", "empty"]


@pytest.fixture
def painter() -> Painter:
    return Painter(words=words(), now=NOW, noun=NOUN, labels=LABELS)


def browser_says(page: Page, call: str, values: list[Any]) -> list[Any]:
    """`call`: an expression of `painter`, `value` and `now`, once for each value."""
    # On the wire the keys of an object are sorted.
    values = json.loads(json.dumps(values, sort_keys=True))
    script = f"""([page, now, values]) => {{
      const painter = new longhaul.Painter(page);
      return values.map((value) => {call});
    }}"""
    config = {"words": words(), "noun": NOUN, "labels": LABELS, "zone": "UTC"}
    said = page.evaluate(script, [config, NOW.timestamp() * 1_000, values])
    assert isinstance(said, list)
    return said


@pytest.mark.parametrize("sentence", SENTENCES)
def test_both_say_the_same_of_a_run(script_page: Page, painter: Painter, sentence: str) -> None:
    assert browser_says(script_page, f"painter.{sentence}(value)", RUNS) == [
        getattr(painter, sentence)(of) for of in RUNS
    ]


def test_both_say_the_same_of_what_was_used(script_page: Page, painter: Painter) -> None:
    script_page.route(
        f"{ORIGIN}/run-used.js",
        lambda route: route.fulfill(
            path=finders.find("workflows/run-used.js"), content_type="text/javascript"
        ),
    )
    script_page.evaluate("async () => { globalThis.used = (await import('/run-used.js')).used; }")
    said = browser_says(script_page, "used(value, page.words)", USAGES)
    assert said == [painter.used(of) for of in USAGES]


def test_both_say_the_same_of_a_step(script_page: Page, painter: Painter) -> None:
    assert browser_says(script_page, "painter.note(value, now)", STEPS) == [painter.note(of) for of in STEPS]
    assert browser_says(script_page, "painter.why(value)", STEPS) == [painter.step_error(of) for of in STEPS]


def test_both_lay_out_the_same_card(script_page: Page, painter: Painter) -> None:
    ours = [painter.card({"step": "write", "index": 0, "key": "k", "value": value}) for value in VALUES]
    theirs = browser_says(script_page, "painter.card(value)", VALUES)
    for our, their in zip(ours, theirs, strict=True):
        assert their["kind"] == our["kind"]
        assert [tuple(row) for row in their["more"]] == our["more"]
        assert their["fields"] == our["fields"]


def test_the_browser_moves_a_snapshot_on_as_the_engine_would(script_page: Page) -> None:
    def event(seq: int, type: str, *, attempt: int = 1, **data: Any) -> dict[str, Any]:
        time = datetime(2026, 11, 22, 9, 31, tzinfo=UTC) + timedelta(seconds=seq)
        where = {"step": "write", "attempt": attempt} if not type.startswith("run") else {}
        return {"seq": seq, "type": type, "time": time.isoformat(), "data": data, **where}

    events = [
        event(1, "run.failed"),  # the snapshot knew this already
        event(5, "run.started"),
        event(6, "step.started"),
        {**event(0, "step.progress", done=4, total=9, unit="pages"), "seq": None},
        {**event(0, "step.progress", done=3, total=9, unit="pages"), "seq": None},
        event(7, "item.committed", index=0, key="a", value={}),
        event(8, "something.new", hidden=1),
        event(9, "step.retry_scheduled", error=ERROR, retry_at=at(30), max_attempts=4),
        event(10, "item.committed", attempt=2, index=1, key="b", value={}),
        event(11, "message", attempt=2, text="Nearly there"),
        event(12, "step.completed", attempt=2, items_count=2),
        event(13, "run.completed"),
    ]
    for ephemeral in events[3:5]:
        del ephemeral["seq"]
    first = run("pending", step(state="ready", attempt=0), seq=4, started_at=None)
    script = "([run, events]) => events.map((event) => structuredClone(longhaul.reduce(run, event)))"
    states = script_page.evaluate(script, [first, events])

    assert [(state["state"], state["steps"][0]["state"]) for state in states] == [
        ("pending", "ready"),
        ("running", "ready"),
        *[("running", "running")] * 5,
        ("running", "retrying"),
        *[("running", "running")] * 2,
        ("running", "completed"),
        ("completed", "completed"),
    ]
    assert states[4]["steps"][0]["progress"]["done"] == 4
    assert states[7]["steps"][0]["due_at"] == at(30)
    assert states[8]["steps"][0] | {"attempt": 2, "error": None, "items_count": 2} == states[8]["steps"][0]
    assert states[9]["state_info"] == "Nearly there"
    assert states[-1]["is_terminal"]
    assert states[-1]["seq"] == 13


def test_the_browser_counts_and_folds_items_as_the_engine_does(script_page: Page) -> None:
    def item(index: int, **more: Any) -> dict[str, Any]:
        return {"index": index, "key": f"k{index}", "value": {"text": f"t{index}"}, **more}

    log = [
        *[
            ("item.committed", item(index, type="Note", repaired={"by": "respelling", "position": 0}))
            for index in range(4)
        ],
        ("item.replaced", item(1, value={"text": "new"})),
        ("item.retracted", item(2)),
        ("items.reset", {"policy": "append", "keep_through": 3}),
        ("item.committed", item(4, type="Note")),
        ("items.reset", {"policy": "replace", "keep_through": -1}),
        ("item.committed", item(5, type="Note")),
        ("item.painted", {}),
    ]
    events = [
        {"seq": 5 + place, "time": at(place), "type": kind, "step": "write", "data": data}
        for place, (kind, data) in enumerate(log)
    ]
    script = """async ([run, events]) => {
      const { foldItems } = await import("/run-items.js");
      const items = new Map();
      return events.map((event) => {
        const { steps: [{ items_count }] } = longhaul.reduce(run, event);
        const held = foldItems(items, event).get("write");
        return structuredClone([items_count, [...held].sort(([a], [b]) => a - b)]);
      });
    }"""
    script_page.route(
        f"{ORIGIN}/run-items.js",
        lambda route: route.fulfill(path=STATIC / "run-items.js", content_type="text/javascript"),
    )
    first = run("running", step(state="running"), seq=4)
    for place, (count, held) in enumerate(script_page.evaluate(script, [first, events]), 1):
        ours = items_of(events[:place]).get("write", {})
        assert dict(held) == ours
        assert 1 not in ours or ("repaired" in ours[1]) == (place < 5)
        assert count == len(ours)


def test_what_a_later_server_may_say_changes_nothing_but_the_cursor(script_page: Page) -> None:
    first = run("running", step(state="running", progress={"done": 1, "total": 2, "unit": "pages"}), seq=4)
    first |= {"current_steps": ["write"], "progress": {"done": 0}}
    strange = [
        {"type": "run.dreaming", "data": {}},
        {"type": "step.painted", "step": "write", "data": {"parts": "many"}},
        {"type": "step.completed", "step": "nobody", "data": {}},
        {"type": "step.completed", "step": "nobody[3]", "attempt": 9, "data": {}},
        {"type": "step.completed", "step": "write[3]x", "data": {}},
        {"type": "compensation.rested", "step": "write", "data": {}},
        {"type": "item.committed", "step": "nobody[3]", "data": {"index": 3}},
        {"type": "unheard", "data": None},
        {"type": "a.b.c", "step": 7},
    ]
    events = [{"seq": 5 + place, "time": at(place), **event} for place, event in enumerate(strange)]
    script = "([run, events]) => events.reduce((run, event) => longhaul.reduce(run, event), run)"
    assert script_page.evaluate(script, [first, events]) == {**first, "seq": 4 + len(events)}
