"""What `make demo` shows: a table of steps, findings as they come; plain lines without a terminal."""

import re
import time
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from streaming.folding import Items, fold_items

MARKS = {
    "completed": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "pending": "[dim]·[/]",
    "retrying": "[yellow]↻[/]",
}
# What would steer the terminal, or turn the rest of the line around: a document may have put it into a finding.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
WORDS = {"step.started": "running", "step.completed": "completed", "step.failed": "failed"}
SAID_OF_ITEMS = {"item.committed": "", "item.replaced": "now: ", "item.retracted": "no longer: "}
WORDS |= {"step.retry_scheduled": "retrying", "step.skipped": "skipped", "step.cancelled": "cancelled"}


class RunView:
    """Applies events of one run. `findings`: the items it has, which is the number in the last line."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.findings = 0
        self._items: Items = {}
        self._steps: dict[str, dict[str, Any]] = {}
        self._started_at = time.monotonic()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=False)

    def __enter__(self) -> "RunView":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, sentence: str) -> None:
        """One line above the table: cut to a terminal's width, whole in a file."""
        line = _text(f"{time.monotonic() - self._started_at:5.1f} s  {sentence}")
        fits = self.console.is_terminal
        self.console.print(line, soft_wrap=not fits, no_wrap=fits, overflow="ellipsis")

    def apply(self, event: dict[str, Any]) -> None:
        """One event of the run's log, or one ephemeral frame. Unknown types are ignored, as clients must."""
        kind, data, step = event.get("type", ""), event.get("data") or {}, event.get("step") or ""
        if kind == "reset":
            self.findings, self._items, self._steps = 0, {}, {}
            self.say("the server's database was restored; reading the run from its beginning")
        elif kind == "run.created":
            self._steps = {
                planned["name"]: {**planned, "state": "pending", "info": ""} for planned in data["steps"]
            }
        elif kind in WORDS:
            self._move(step, WORDS[kind], data)
        elif kind == "step.progress":
            self._note(step, f"{data.get('done')} of {data.get('total')} {data.get('unit', '')}".strip())
        elif kind == "message":
            self._note(step, data.get("text", ""))
        elif kind == "run.completed":
            self.findings = data.get("items_count", self.findings)
        elif kind.startswith("item"):
            self._take_item(kind, step, event)

    def _take_item(self, kind: str, step: str, event: dict[str, Any]) -> None:
        fold_items(self._items, event)
        self.findings = sum(len(held) for held in self._items.values())
        self._note(step, f"{self.findings} found")
        if kind in SAID_OF_ITEMS:
            self.say(SAID_OF_ITEMS[kind] + _finding(event["data"]["value"]))

    def _move(self, name: str, state: str, data: dict[str, Any]) -> None:
        step = self._steps.setdefault(name, {"title": name, "info": ""})
        step["state"] = state
        error = (data.get("error") or {}).get("detail", "")
        if error:
            step["info"] = error
        if not self.console.is_terminal or error:
            self.say(f"{step['title']}: {state}{f', {error}' if error else ''}")

    def _note(self, name: str, info: str) -> None:
        if name in self._steps:
            self._steps[name]["info"] = info

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for step in self._steps.values():
            running = step["state"] == "running"
            mark: RenderableType = (
                Spinner("dots") if running else Text.from_markup(MARKS.get(step["state"], "·"))
            )
            table.add_row(
                mark, _text(step["title"], style="bold" if running else ""), _text(step["info"], style="dim")
            )
        return Group("", table)


def _text(text: str, *, style: str = "") -> Text:
    """As it is read: neither markup nor control characters, which are spelled out."""
    return Text(STEERING.sub(lambda found: ascii(found[0])[1:-1], text), style=style)


def _finding(value: dict[str, Any]) -> str:
    where = f"  (page {value['page']})" if "page" in value else ""
    return f"{value.get('kind', 'item'):<10}  {value.get('title', '')}: {value.get('value', '')}{where}"
