"""From a snapshot to what stands on the page. Pure; run-stream.js has a twin of each method for what comes after.

The twins must agree to the letter: a browser test compares the server's painting with the browser's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# Fields of an item that have a place of their own on its card; any other field becomes a labelled row.
PLACED = frozenset({"kind", "value", "page", "quote"})
ROLES = PLACED | {"title", "name"}
CURRENT = frozenset({"running", "retrying", "waiting", "compensating"})
DONE = frozenset({"completed", "skipped"})
BROKEN = frozenset({"failed", "compensation_failed"})


@dataclass(frozen=True, kw_only=True)
class Painter:
    """words: of `workflows.pages.words`. noun: singular and plural of an item. labels: of an item's fields."""

    words: Mapping[str, Any]
    now: datetime
    noun: tuple[str, str] = ("result", "results")
    labels: Mapping[str, str] = field(default_factory=dict)

    def headline(self, run: Mapping[str, Any]) -> str:
        titles = [step["title"] for step in run["steps"] if step["state"] in CURRENT]
        if run["state"] == "running" and titles:
            return ", ".join(titles)
        return str(self.words["headline"][run["state"]])

    def detail(self, run: Mapping[str, Any]) -> str:
        """What it says beyond its headline."""
        said = run["state_info"]
        return "" if run["is_terminal"] or said == self.headline(run) else str(said)

    def percent(self, run: Mapping[str, Any]) -> int:
        """0 … 100, of whole steps and the counted part of those under way."""
        if not run["steps"]:
            return 0
        return int(100 * sum(self._part(step) for step in run["steps"]) / len(run["steps"]))

    def _part(self, step: Mapping[str, Any]) -> float:
        progress = step["progress"]
        if step["state"] in DONE:
            return 1.0
        if step["state"] in CURRENT and progress and progress.get("total"):
            return float(min(1, progress["done"] / progress["total"]))
        return 0.0

    def position(self, run: Mapping[str, Any]) -> str:
        """The sentence at the bar: which step of how many, how far in it, how long it took."""
        steps, words = run["steps"], self.words
        done = sum(step["state"] in DONE for step in steps)
        current = next((step for step in steps if step["state"] in CURRENT), None)
        if run["state"] == "completed":
            text = str(words["all_done"])
            taken = self.seconds_between(run["started_at"], run["finished_at"])
            return text if taken is None else words["in_time"].format(text=text, time=self.duration(taken))
        if current is not None and not run["is_terminal"]:
            where = words["position"].format(number=steps.index(current) + 1, total=len(steps))
            return self._joined(where, self.counted(current) or self.found(current))
        if not done and not run["is_terminal"]:
            return str(words["not_started"].format(total=len(steps)))
        return str(words["stopped_at"].format(done=done, total=len(steps)))

    def counted(self, step: Mapping[str, Any]) -> str:
        progress = step["progress"]
        if not progress:
            return ""
        pattern = self.words["counted" if progress.get("total") else "counting"]
        done, total = self.text(progress["done"]), self.text(progress.get("total"))
        return str(pattern.format(done=done, total=total, unit=progress.get("unit") or "")).strip()

    def note(self, step: Mapping[str, Any]) -> str:
        """What stands under a step's title: word, how far, how often, how long."""
        state, words = step["state"], self.words
        if state == "retrying":
            return self._again(step)
        said = [words["step"][state]]
        if state == "running":
            said.append(self.counted(step))
        said.append(self.found(step))
        if state in {"running", "failed"} and step["attempt"] > 1:
            said.append(words["try_of"].format(number=step["attempt"], total=step["max_attempts"]))
        said.append(self._time_taken(step))
        return self._joined(*said)

    def _again(self, step: Mapping[str, Any]) -> str:
        number, total = step["attempt"] + 1, step["max_attempts"]
        wait = (datetime.fromisoformat(step["due_at"]) - self.now).total_seconds() if step["due_at"] else 0.0
        key = "again_in" if wait >= 1 else "again_now"
        return str(self.words[key].format(time=self.duration(wait), number=number, total=total))

    def _time_taken(self, step: Mapping[str, Any]) -> str:
        until = step["finished_at"] or (self.now.isoformat() if step["state"] == "running" else None)
        taken = self.seconds_between(step["started_at"], until)
        return "" if taken is None else self.duration(taken)

    def found(self, step: Mapping[str, Any]) -> str:
        count = step["items_count"]
        return f"{count} {self.noun[0] if count == 1 else self.noun[1]}" if count else ""

    def empty(self, run: Mapping[str, Any]) -> str:
        """What stands where the first card will be."""
        return str(self.words["nothing" if run["is_terminal"] else "nothing_yet"])

    def failure(self, run: Mapping[str, Any]) -> str:
        """One sentence on what stopped the run; empty while nothing did."""
        if run["state"] not in BROKEN:
            return ""
        broken = next((step for step in run["steps"] if step["state"] in BROKEN and step["error"]), None)
        if broken is None:
            return str(run["error"]["detail"] if run.get("error") else self.words["failure_unknown"])
        return str(self.words["failure"].format(step=broken["title"], detail=broken["error"]["detail"]))

    def step_error(self, step: Mapping[str, Any]) -> str:
        """Why a step is tried again. The error that ended a run stands at the top of the page, not here."""
        return step["error"]["detail"] if step["state"] == "retrying" and step["error"] else ""

    def duration(self, seconds: float) -> str:
        words, whole = self.words, int(seconds)
        if whole < 1:
            return str(words["instant"])
        if whole < 60:
            return str(words["seconds"].format(seconds=whole))
        if whole < 3600:
            return str(words["minutes"].format(minutes=whole // 60, seconds=whole % 60))
        return str(words["hours"].format(hours=whole // 3600, minutes=whole % 3600 // 60))

    @staticmethod
    def seconds_between(start: str | None, end: str | None) -> float | None:
        if not start or not end:
            return None
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()

    @staticmethod
    def _joined(*said: str) -> str:
        return " · ".join(part for part in said if part)

    def card(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """An item as its card shows it. fields: each as text, empty when there is nothing to say; more: the rest."""
        value = item["value"]
        names = [*self.labels, *sorted(set(value) - set(self.labels))]
        fields = {name: self.text(value.get(name)) for name in names}
        kind = fields.get("kind", "")
        fields["kind_label"] = label(kind, {})
        named = next(
            (name for name in ("title", "name", *names) if fields.get(name) and name not in PLACED), ""
        )
        fields["title"] = fields.get(named, "")
        if fields.get("page"):
            fields["page"] = self.words["page"].format(page=fields["page"])
        more = [
            (label(name, self.labels), fields[name])
            for name in names
            if name not in {*ROLES, named} and fields[name]
        ]
        place = {name: item[name] for name in ("step", "index", "key")}
        return {**place, "kind": kind, "fields": fields, "more": more}

    def text(self, value: Any) -> str:
        """Any JSON value as a person reads it."""
        match value:
            case None:
                return ""
            case bool():
                return str(self.words["yes" if value else "no"])
            case str():
                return value
            case float() if value.is_integer():
                return str(int(value))
            case list() if not any(isinstance(entry, dict | list) for entry in value):
                return ", ".join(self.text(entry) for entry in value)
            case list() | dict():
                return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return str(value)


def label(name: str, labels: Mapping[str, str]) -> str:
    """`due_date` -> "Due date", unless the model names it otherwise."""
    plain = name.replace("_", " ").strip()
    return labels.get(name) or plain[:1].upper() + plain[1:]


def plural(noun: str) -> str:
    """Enough English for class names: finding -> findings, party -> parties."""
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def rows(painter: Painter, run: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The run's steps, each with what its row says."""
    return [{**step, "note": painter.note(step), "why": painter.step_error(step)} for step in run["steps"]]
