"""`manage.py runs …`: look at runs and act on them from a shell, with the same services as API and admin."""

import json
import logging
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from workflows import selectors
from workflows.errors import EngineError
from workflows.management import acting, watching
from workflows.management.arguments import count, text
from workflows.models import Run
from workflows.states import RunState


class Command(BaseCommand):
    help = "List, show, watch, start and act on runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="newest first")
        listing.add_argument("--state", choices=RunState.values)
        listing.add_argument("--workflow", type=text)
        listing.add_argument("--limit", type=count, default=20)
        showing = verbs.add_parser("show", help="one run with its steps")
        showing.add_argument("run", type=text)
        showing.add_argument("--json", action="store_true", help="the snapshot as the API has it")
        watching.add_watch(verbs)
        acting.add_start(verbs)
        acting.add_verbs(verbs)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if sys.stderr.isatty():  # a person reads: the log's lines are for machines
            logging.getLogger("workflows").setLevel(logging.WARNING)
        if verb == "list":
            self._list(options)
        elif verb == "show":
            self._show(_find(options["run"]), as_json=options["json"])
        elif verb == "watch":
            watching.watch(_id(options["run"]), options)
        else:
            self._act(verb, options)

    def _list(self, options: dict[str, Any]) -> None:
        runs = Run.objects.order_by("-created_at", "-id")
        for field in ("state", "workflow"):
            if options[field]:
                runs = runs.filter(**{field: options[field]})
        for run in runs[: options["limit"]]:
            self.stdout.write(f"{run.id}  {run.state:20}  {run.created_at:%Y-%m-%d %H:%M}  {run.title}")

    def _show(self, run: Run, *, as_json: bool) -> None:
        with selectors.consistent_read():
            shown = selectors.snapshot(run)
        if as_json:
            self.stdout.write(json.dumps(shown, indent=2))
            return
        self.stdout.write(f"{shown['title']} ({run.id})")
        self.stdout.write(f"{shown['state']}: {shown['state_info']}".rstrip(": "))
        for step in shown["steps"]:
            self.stdout.write(
                f"  {step['name']:30} {step['state']:20} {_tries(step):10} {_error(step)}".rstrip()
            )
        self.stdout.write(f"can: {', '.join(shown['allowed_actions']) or 'nothing now'}")

    def _act(self, verb: str, options: dict[str, Any]) -> None:
        by = acting.actor(options["by"])
        run = None if verb == "start" else _find(options["run"])
        try:
            done = acting.start(by, options) if run is None else acting.act(verb, run, by, options)
        except EngineError as error:
            raise CommandError(f"{verb} was refused: {error}.") from None
        if done is not None:
            self.stdout.write(f"run {done.id} is {done.state}")
        elif run is not None:
            self.stdout.write(f"run {run.id} erased")


def _id(text: str) -> str:
    """A whole id as it is: the run may be on another machine. Raises CommandError."""
    try:
        return str(UUID(text))
    except ValueError:
        return str(_find(text).pk)


def _find(text: str) -> Run:
    """By id, or by its last digits when they are one run's. Raises CommandError."""
    try:
        found = list(Run.objects.filter(pk=UUID(text)))
    except ValueError:
        found = list(Run.objects.filter(pk__endswith=text.lower())[:2]) if len(text) >= 8 else []
    if len(found) != 1:
        raise CommandError(f"{'no run' if not found else 'more than one run'} {text}; `runs list` shows them")
    return found[0]


def _tries(step: dict[str, Any]) -> str:
    """How often it was tried; of a fan-out, how many parts are done; a wait is not tried."""
    if step["kind"] == "step":
        return f"try {step['attempt']} of {step['max_attempts']}"
    progress = step["progress"] or {}
    return (
        f"{progress.get('done', 0)} of {progress.get('total', '?')}" if step["kind"] == "fan_out" else "wait"
    )


def _error(step: dict[str, Any]) -> str:
    """Why it failed; of a fan-out, which parts did."""
    words = [str(step["error"]["detail"])] if step["error"] else []
    if failed := (step["progress"] or {}).get("failed"):
        words.append(f"failed: {', '.join(failed)}")
    return " ".join(words)
