"""What a run looks like to who follows it: its snapshot, moved on by its events. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from streaming.folding import Items, fold_items

# What an event makes of its subject. Any other event changes no state: a later server may have more of them.
UNDO = ("compensating", "compensated", "compensation_failed")
RUN_STATES = {"started": "running", "resumed": "running"}
RUN_STATES |= {verb: verb for verb in ("waiting", "completed", "failed", "cancelling", "cancelled", *UNDO)}
STEP_STATES = {"started": "running", "expanded": "running", "retry_scheduled": "retrying", "reset": "pending"}
STEP_STATES |= {verb: verb for verb in ("waiting", "completed", "failed", "skipped", "cancelled")}
UNDO_STATES = {"started": "compensating", "completed": "compensated", "failed": "compensation_failed"}
DONE = frozenset({"completed", "skipped"})
PART = re.compile(r"(?P<step>[^[]+)\[\d+\]")


class Picture:
    """`run`: the snapshot as it is now, of which states, errors, progress and sentences move. `items`: by step and
    index. `last`: the line that moved it last; None right after it was read.
    """

    def __init__(self, snapshot: Mapping[str, Any], items: Iterable[Mapping[str, Any]] = ()) -> None:
        self.run: dict[str, Any] = {**snapshot, "steps": [dict(step) for step in snapshot["steps"]]}
        self.items: Items = {}
        for item in items:
            self.items.setdefault(item["step"], {})[item["index"]] = dict(item)
        self.last: dict[str, Any] | None = None

    @property
    def part_done(self) -> float:
        """From 0 to 1: finished steps, and what the running ones say of their progress."""
        steps = self.run["steps"]
        return sum(_part_done(step) for step in steps) / len(steps) if steps else 0.0

    def apply(self, line: dict[str, Any]) -> "Picture":
        """Move on by one line of the log, each once and in order. Returns itself."""
        self.last = line
        fold_items(self.items, line)
        subject, _, verb = str(line.get("type", "")).partition(".")
        data = line.get("data") or {}
        if subject == "run" and verb in RUN_STATES:
            error = data.get("error")
            self.run |= {"state": RUN_STATES[verb], "state_info": error["detail"] if error else ""}
        elif subject == "message":
            self.run["state_info"] = data.get("text", "")
        elif step := self._step(line.get("step") or ""):
            self._move(step, subject, verb, line)
        return self

    def _step(self, name: str) -> dict[str, Any] | None:
        """The step of the plan; of a part `score[3]`, the fan-out."""
        part = PART.fullmatch(name)
        found = part["step"] if part else name
        return next((step for step in self.run["steps"] if step["name"] == found), None)

    def _move(self, step: dict[str, Any], subject: str, verb: str, line: dict[str, Any]) -> None:
        data, is_whole = line.get("data") or {}, step["name"] == line["step"]
        if subject == "step" and verb == "progress":
            step["progress"] = data
        elif subject == "step" and verb == "expanded":
            step |= {"state": "running", "progress": {"done": 0, "total": data["parts"], "unit": "parts"}}
        elif not is_whole:
            if subject == "step" and verb in DONE and step["progress"]:
                step["progress"] = {**step["progress"], "done": step["progress"]["done"] + 1}
        elif state := {"step": STEP_STATES, "compensation": UNDO_STATES}.get(subject, {}).get(verb):
            attempt = max(step["attempt"], line.get("attempt") or 0) if subject == "step" else step["attempt"]
            step |= {"state": state, "error": data.get("error"), "attempt": attempt}


def _part_done(step: Mapping[str, Any]) -> float:
    if step["state"] in DONE:
        return 1.0
    progress = step["progress"] or {}
    if step["state"] != "running" or not progress.get("total"):
        return 0.0
    return float(min(1.0, progress["done"] / progress["total"]))
