"""From a snapshot to what stands on the page. Pure; run-stream.js has a twin of each method for what comes after.

The twins must agree to the letter: a browser test compares the server's painting with the browser's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workflows.pages.cards import CardPainter
from workflows.pages.times import seconds_between, worked_seconds

CURRENT = frozenset({"running", "retrying", "waiting", "compensating"})
DONE = frozenset({"completed", "skipped"})
BROKEN = frozenset({"failed", "compensation_failed"})
TIMED = frozenset({"running", "completed", "failed"})  # states whose step says how long it took
IDLE_SECONDS = 60  # a run that lay still for longer says since when it is there, beside the time it worked
NAMED_PARTS = 5

Run = Mapping[str, Any]
Step = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Painter(CardPainter):
    """noun: singular and plural of an item."""

    now: datetime
    noun: tuple[str, str] = ("result", "results")

    def headline(self, run: Run) -> str:
        current = CURRENT if run["state"] == "running" else {"waiting"}
        titles = [step["title"] for step in run["steps"] if step["state"] in current]
        if run["state"] in {"running", "waiting"} and titles:
            return ", ".join(titles)
        return str(self.words["headline"][run["state"]])

    def detail(self, run: Run) -> str:
        """What it says beyond its headline."""
        if run["is_terminal"]:
            return ""
        if run["state"] in self.words["detail"]:
            return str(self.words["detail"][run["state"]])
        if run["state"] == "waiting":
            ends = [step["due_at"] for step in run["steps"] if step["state"] == "waiting" and step["due_at"]]
            return str(self.words["until"].format(time=self.moment(min(ends)))) if ends else ""
        said = run["state_info"]
        return "" if said in self.headline(run).split(", ") else str(said)

    def percent(self, run: Run) -> int:
        """0 … 100, of whole steps and the counted part of those under way."""
        if not run["steps"]:
            return 0
        return int(100 * sum(self._part(step) for step in run["steps"]) / len(run["steps"]))

    def _part(self, step: Step) -> float:
        progress = step["progress"]
        if step["state"] in DONE:
            return 1.0
        is_counted = step["state"] == "running" or (step["state"] == "failed" and is_fan_out(step))
        if is_counted and progress and progress.get("total"):
            return float(min(1, progress["done"] / progress["total"]))
        return 0.0

    def position(self, run: Run) -> str:
        """The sentence at the bar: which step of how many, how far in it, how long it took."""
        steps, words = run["steps"], self.words
        if run["state"] == "completed":
            return self._all_done(run)
        if run["state"] in words["undone"]:
            count = sum(step["state"] == "compensated" for step in steps)
            return str(words["undone"][run["state"]].format(count=count))
        current = [step for step in steps if step["state"] in CURRENT]
        if current and not run["is_terminal"]:
            numbers = ", ".join(str(steps.index(step) + 1) for step in current)
            if len(current) > 1:
                return str(words["positions"].format(numbers=numbers, total=len(steps)))
            where = words["position"].format(number=numbers, total=len(steps))
            return self._joined(where, self.counted(current[0]) or self.found(current[0]))
        done = sum(step["state"] in DONE for step in steps)
        if not done and not run["is_terminal"]:
            return str(words["not_started"].format(total=len(steps)))
        return str(words["stopped_at"].format(done=done, total=len(steps)))

    def _all_done(self, run: Run) -> str:
        """With the time that it worked: days between two rounds, or until an answer, are nobody's work."""
        text, worked = self.words["all_done"], worked_seconds(run)
        if worked is None:
            return str(text)
        span = seconds_between(run["started_at"], run["finished_at"]) or 0.0
        if span - worked <= IDLE_SECONDS:
            return str(self.words["in_time"].format(text=text, time=self.duration(worked)))
        since = self.moment(run["started_at"])
        return str(self.words["in_work"].format(text=text, time=self.duration(worked), since=since))

    def counted(self, step: Step) -> str:
        progress = step["progress"]
        if not progress:
            return ""
        pattern = self.words["counted" if progress.get("total") else "counting"]
        done, total = self.text(progress["done"]), self.text(progress.get("total"))
        return str(pattern.format(done=done, total=total, unit=progress.get("unit") or "")).strip()

    def note(self, step: Step) -> str:
        """What stands under a step's title: word, how far, how often, how long."""
        state, words = step["state"], self.words
        if state == "retrying":
            return self._again(step)
        if state == "waiting" and step["due_at"]:
            return str(words["waiting_until"].format(time=self.moment(step["due_at"])))
        said = [words["step"][state]]
        if state == "skipped" and step.get("state_info"):
            said = [words["skipped_since"].format(reason=step["state_info"])]
        if state == "running" or (is_fan_out(step) and state not in {"pending", "ready"}):
            said += [self.counted(step), self.failed_parts(step)]
        said.append(self.found(step))
        if state in {"running", "failed"} and step["attempt"] > 1:
            said.append(words["try_of"].format(number=step["attempt"], total=step["max_attempts"]))
        said.append(self._time_taken(step))
        return self._joined(*said)

    def failed_parts(self, step: Step) -> str:
        names = (step["progress"] or {}).get("failed") or []
        shown = ", ".join(names[:NAMED_PARTS]) + (" …" if len(names) > NAMED_PARTS else "")
        return str(self.words["failed_parts"].format(names=shown)) if names else ""

    def _again(self, step: Step) -> str:
        number, total = step["attempt"] + 1, step["max_attempts"]
        wait = (datetime.fromisoformat(step["due_at"]) - self.now).total_seconds() if step["due_at"] else 0.0
        key = "again_in" if wait >= 1 else "again_now"
        return str(self.words[key].format(time=self.duration(wait), number=number, total=total))

    def _time_taken(self, step: Step) -> str:
        if step["state"] not in TIMED:
            return ""
        taken = seconds_between(step["started_at"], step["finished_at"] or self.now.isoformat())
        if taken is None:
            return ""
        said = self.duration(taken)
        return str(self.words["waited"].format(time=said)) if step.get("kind") == "wait" else said

    def found(self, step: Step) -> str:
        count = step["items_count"]
        return f"{count} {self.noun[0] if count == 1 else self.noun[1]}" if count else ""

    def empty(self, run: Run) -> str:
        """What stands where the first card will be."""
        return str(self.words["nothing" if run["is_terminal"] else "nothing_yet"])

    def failure(self, run: Run) -> str:
        """One sentence on what stopped the run, or its undo; empty while nothing did."""
        if run["state"] not in BROKEN:
            return ""
        broken = next((step for step in run["steps"] if step["state"] in BROKEN and step["error"]), None)
        if broken is None:
            return str(run["error"]["detail"] if run.get("error") else self.words["failure_unknown"])
        pattern = self.words["failure" if run["state"] == "failed" else "undo_failure"]
        return str(pattern.format(step=broken["title"], detail=broken["error"]["detail"]))

    def kept(self, run: Run) -> str:
        """What became of what was done, under `failure`."""
        return str(self.words["kept"].get(run["state"], ""))

    def gone(self, run: Run) -> str:
        """Of a run that was undone: that its result is gone, and why. Empty for any other."""
        said = str(self.words["gone"].get(run["state"], ""))
        if run["state"] in {"compensating", "compensated"} and run.get("error"):
            return f"{said} {self.words['because'].format(detail=run['error']['detail'])}"
        return said

    def used(self, run: Run) -> str:
        """What it took of models; empty while that is nothing, or is not told. Its twin is in run-used.js."""
        usage = run.get("usage")
        tokens = usage["tokens_in"] + usage["tokens_out"] if usage else 0
        if not usage or not tokens:
            return ""
        is_about = any(step["usage"]["is_estimated"] for step in run["steps"] if step.get("usage"))
        said = self.words["used_about" if is_about else "used"].format(tokens=f"{tokens:,}")
        return self._joined(said, self._cost(usage))

    def _cost(self, usage: Mapping[str, Any]) -> str:
        """With two decimals, or four below 1. By whole numbers, for both languages round those alike."""
        cost, currency = usage["cost"], usage["currency"]
        if not cost:
            return ""
        places = 2 if cost >= 1 else 4
        amount = math.floor(cost * 10**places + 0.5)
        whole, part = divmod(max(amount, 1), 10**places)
        pattern = self.words["costs" if amount else "costs_little"]
        return str(pattern.format(cost=f"{whole:,}.{part:0{places}}", currency=currency))

    def step_error(self, step: Step) -> str:
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
        if whole < 86_400:
            return str(words["hours"].format(hours=whole // 3600, minutes=whole % 3600 // 60))
        return str(words["days"].format(days=whole // 86_400, hours=whole % 86_400 // 3600))

    def moment(self, time: str) -> str:
        """A day and a time of it. The server says it in UTC; the browser where its reader is."""
        at = datetime.fromisoformat(time).astimezone(UTC)
        month = self.words["months"][at.month - 1]
        text = self.words["moment"].format(day=at.day, month=month, time=f"{at.hour:02}:{at.minute:02}")
        return str(self.words["utc"].format(time=text))

    @staticmethod
    def _joined(*said: str) -> str:
        return " · ".join(part for part in said if part)


def is_fan_out(step: Step) -> bool:
    return step.get("kind") == "fan_out"


def rows(painter: Painter, run: Run) -> Sequence[dict[str, Any]]:
    """The run's steps in the plan's order, each with what its row says; is_branch: others run beside it."""
    branches: dict[int, set[int]] = {}
    for step in run["steps"]:
        branches.setdefault(step["stage"], set()).add(step["branch"])
    return [
        {
            **step,
            "note": painter.note(step),
            "why": painter.step_error(step),
            "is_branch": len(branches[step["stage"]]) > 1,
        }
        for step in run["steps"]
    ]
