import io

import pytest
from rich.console import Console

from config.demo_view import RunView

CREATED = {
    "type": "run.created",
    "data": {
        "title": "Analysis of lease.pdf",
        "steps": [
            {"name": "read", "title": "Reading the document", "position": 0},
            {"name": "find", "title": "Finding the facts", "position": 1},
        ],
    },
}
EVENTS = [
    CREATED,
    {"type": "step.started", "step": "read", "data": {"title": "Reading the document"}},
    {"type": "step.progress", "step": "read", "data": {"done": 3, "total": 9, "unit": "pages"}},
    {"type": "step.completed", "step": "read", "data": {}},
    {"type": "step.started", "step": "find", "data": {}},
    {
        "type": "item.committed",
        "step": "find",
        "data": {"index": 0, "value": {"kind": "amount", "title": "Rent", "value": "EUR 2,400", "page": 3}},
    },
    {"type": "something.new", "data": None},
    {"type": "step.retry_scheduled", "step": "find", "data": {"error": {"detail": "The model is busy."}}},
]


def shown(*, terminal: bool, events=EVENTS) -> tuple[str, RunView]:
    output = io.StringIO()
    with RunView(Console(file=output, force_terminal=terminal, width=100, highlight=False)) as view:
        for event in events:
            view.apply(event)
    return output.getvalue(), view


def test_without_a_terminal_each_change_is_one_plain_line() -> None:
    text, view = shown(terminal=False)

    assert view.findings == 1
    assert "\x1b" not in text
    for line in (
        "Reading the document: running",
        "Reading the document: completed",
        "amount      Rent: EUR 2,400  (page 3)",
        "Finding the facts: retrying, The model is busy.",
    ):
        assert line in text


def test_after_a_reset_the_run_is_shown_from_its_beginning() -> None:
    text, view = shown(terminal=False, events=[*EVENTS, {"type": "reset", "epoch": 2}, *EVENTS])

    assert view.findings == 1
    assert "the server's database was restored" in text


def test_what_a_retry_takes_away_is_said_and_no_longer_counted() -> None:
    risk = {"index": 1, "key": "r", "value": {"kind": "risk", "title": "Deposit", "value": "high"}}
    text, view = shown(
        terminal=False,
        events=[
            *EVENTS,
            {"type": "item.committed", "step": "find", "data": risk},
            {
                "type": "item.replaced",
                "step": "find",
                "data": risk | {"value": {"title": "Deposit", "value": "low"}},
            },
            {"type": "item.retracted", "step": "find", "data": risk},
        ],
    )
    assert "now: item        Deposit: low" in text
    assert "no longer: risk        Deposit: high" in text
    assert view.findings == 1

    _, view = shown(
        terminal=False,
        events=[
            *EVENTS,
            {"type": "items.reset", "step": "find", "data": {"policy": "replace", "keep_through": -1}},
        ],
    )
    assert view.findings == 0


def test_on_a_terminal_a_table_of_steps_stays_below_the_findings() -> None:
    text, _ = shown(terminal=True)

    assert "Rent: EUR 2,400" in text
    assert text.rindex("Finding the facts") > text.index("Rent: EUR 2,400")


@pytest.mark.parametrize("terminal", [True, False])
def test_text_of_a_document_is_never_taken_for_markup(terminal: bool) -> None:
    finding = {
        "type": "item.committed",
        "data": {"index": 0, "value": {"kind": "risk", "title": "[/red]", "value": "[bold]x"}},
    }

    text, _ = shown(terminal=terminal, events=[CREATED, finding])

    assert "[/red]: [bold]x" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_text_of_a_document_never_steers_the_terminal(terminal: bool) -> None:
    hostile = "a\x1b[2J\x1b]0;owned\x07b\u202ec\x9b31m\r"
    finding = {
        "type": "item.committed",
        "data": {"index": 0, "value": {"kind": "risk", "title": hostile, "value": "x"}},
    }
    failed = {"type": "step.failed", "step": "find", "data": {"error": {"detail": hostile}}}

    text, _ = shown(terminal=terminal, events=[CREATED, finding, failed])

    spelled = r"a\x1b[2J\x1b]0;owned\x07b\u202ec\x9b31m\r"
    assert f"{spelled}: x" in text
    assert text.count(spelled) >= 2
    for sign in ("\x1b[2J", "\x1b]0;", "\x07", "\u202e", "\x9b"):
        assert sign not in text
