"""What `runs watch` shows, and as whom it asks."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError
from rich.console import Console

from streaming.client import Picture
from workflows.management.watching import WatchView, credentials

STEP = {
    "name": "write",
    "title": "Writing",
    "state": "running",
    "attempt": 2,
    "max_attempts": 3,
    "error": None,
}
SNAPSHOT = {
    "id": "r1",
    "title": "A run",
    "state": "running",
    "state_info": "",
    "steps": [{**STEP, "progress": {"done": 1, "total": 4, "unit": "pages"}}],
}
ITEM = {"index": 0, "key": "a", "type": "Line", "value": {"text": "né"}}
LINES: list[dict[str, Any]] = [
    {"type": "item.committed", "step": "write", "data": ITEM},
    {"type": "step.failed", "step": "write", "data": {"error": {"detail": "The model is away."}}},
    {"type": "run.failed", "data": {"error": {"detail": "The model is away."}}},
    {"type": "end", "state": "failed"},
]


def shown(*, is_terminal: bool) -> tuple[str, str]:
    """Everything that was printed, and the state at the end."""
    output = StringIO()
    with WatchView(Console(file=output, force_terminal=is_terminal, width=100)) as view:
        picture = Picture(SNAPSHOT)
        view.show(picture)
        for line in LINES:
            view.show(picture.apply(line))
        view.say_cut("reset by peer")
    return output.getvalue(), view.state


def test_in_a_file_each_change_is_a_line() -> None:
    text, state = shown(is_terminal=False)

    assert text.splitlines() == [
        "A run (r1)",
        "write: running",
        "run: running",
        '+ write 0: {"text": "né"}',
        "write: failed: The model is away.",
        "run: failed",
        "line cut (reset by peer); going on from the cursor",
    ]
    assert state == "failed"


def test_in_a_terminal_steps_and_bar_are_drawn() -> None:
    text, _ = shown(is_terminal=True)

    assert "Writing" in text
    assert "try 2 of 3" in text
    assert "failed, 1 items  The model is away." in text
    assert "━" in text


def test_a_token_comes_before_a_password_and_nobody_is_asked_where_nobody_sits(monkeypatch) -> None:
    monkeypatch.delenv("LONGHAUL_TOKEN", raising=False)
    monkeypatch.setenv("ADMIN_PASSWORD", "secret")
    assert credentials("admin") == ("admin", "secret")

    monkeypatch.setenv("LONGHAUL_TOKEN", "lh_1")
    assert credentials("admin") == "lh_1"

    monkeypatch.delenv("LONGHAUL_TOKEN")
    monkeypatch.setattr("sys.stdin", StringIO())
    with pytest.raises(CommandError, match="set LONGHAUL_TOKEN, or EVE_PASSWORD"):
        credentials("eve")
