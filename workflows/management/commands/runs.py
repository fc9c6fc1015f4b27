"""`manage.py runs …`: look at runs and act on them from a shell, with the same services as API and admin."""

import json
from argparse import ArgumentParser, _SubParsersAction
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from workflows import selectors, services
from workflows.errors import EngineError
from workflows.models import Run

STEP_VERBS = ("retry", "rerun")


class Command(BaseCommand):
    help = "List, show and act on runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="newest first")
        listing.add_argument("--state")
        listing.add_argument("--workflow")
        listing.add_argument("--limit", type=int, default=20)
        showing = verbs.add_parser("show", help="one run with its steps")
        showing.add_argument("run")
        showing.add_argument("--json", action="store_true", help="the snapshot as the API has it")
        add_verbs(verbs)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if verb == "list":
            self._list(options)
        elif verb == "show":
            self._show(_find(options["run"]), as_json=options["json"])
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
        self.stdout.write(f"{shown['title']}: {shown['state']}. {shown['state_info']}".rstrip())
        for step in shown["steps"]:
            tries = f"{step['attempt']} of {step['max_attempts']}" if step["kind"] == "step" else step["kind"]
            self.stdout.write(f"  {step['name']:30} {step['state']:20} {tries:8} {_error(step)}".rstrip())
        self.stdout.write(f"can: {', '.join(shown['allowed_actions']) or 'nothing now'}")

    def _act(self, verb: str, options: dict[str, Any]) -> None:
        run, by = _find(options["run"]), _actor(options["by"])
        try:
            done = ACTIONS[verb](run, by, options)
        except EngineError as error:
            raise CommandError(f"{verb} was refused: {error}.") from None
        if done is None:
            self.stdout.write(f"run {run.id} erased")
        else:
            self.stdout.write(f"run {done.id} is {done.state}")


def add_verbs(verbs: "_SubParsersAction[Any]") -> None:
    """A sub-command for each verb: the run, who acts and why, and what the verb takes besides."""
    parsers = {verb: verbs.add_parser(verb, help=f"{verb} a run") for verb in ACTIONS}
    for parser in parsers.values():
        parser.add_argument("run", help="id of the run, or its last digits")
        parser.add_argument("--by", help="user name of who acts; by default the only superuser")
        parser.add_argument("--reason", default="", help="kept in the audit trail")
    undo = parsers["cancel"].add_mutually_exclusive_group()
    undo.add_argument("--undo", action="store_true", default=None, help="undo what is done")
    undo.add_argument("--keep", dest="undo", action="store_false", help="keep what is done")
    for verb in STEP_VERBS:
        parsers[verb].add_argument("--from-step")
    parsers["rerun"].add_argument("--input", type=_json, help="JSON object, in place of the run's input")
    parsers["skip"].add_argument("step")
    parsers["skip"].add_argument("--output", type=_json, help="JSON, in place of the step's output")
    parsers["signal"].add_argument("name")
    parsers["signal"].add_argument("payload", type=_json, nargs="?", help="JSON, the answer")


def _cancel(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.cancel(run.pk, by=by, undo=options["undo"], reason=options["reason"])


def _retry(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.retry(run.pk, by=by, from_step=options["from_step"], reason=options["reason"])


def _rerun(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.rerun(
        run.pk, by=by, from_step=options["from_step"], input=options["input"], reason=options["reason"]
    )


def _skip(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.skip(
        run.pk, by=by, step=options["step"], output=options["output"], reason=options["reason"]
    )


def _signal(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.signal(
        run.pk, by=by, name=options["name"], payload=options["payload"], reason=options["reason"]
    )


def _compensate(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.compensate(run.pk, by=by, reason=options["reason"])


def _erase(run: Run, by: User, options: dict[str, Any]) -> None:
    services.erase(run.pk, by=by, reason=options["reason"])


ACTIONS: dict[str, Any] = {
    "cancel": _cancel,
    "retry": _retry,
    "rerun": _rerun,
    "skip": _skip,
    "signal": _signal,
    "compensate": _compensate,
    "erase": _erase,
}


def _find(text: str) -> Run:
    """By id, or by its last digits when they are one run's. Raises CommandError."""
    try:
        found = list(Run.objects.filter(pk=UUID(text)))
    except ValueError:
        found = list(Run.objects.filter(pk__endswith=text.lower())[:2]) if len(text) >= 8 else []
    if len(found) != 1:
        raise CommandError(f"{'no run' if not found else 'more than one run'} {text}; `runs list` shows them")
    return found[0]


def _actor(name: str | None) -> User:
    """Raises CommandError when nobody, or more than one, comes into question."""
    users = User.objects.filter(is_active=True)
    found = list(users.filter(username=name) if name else users.filter(is_superuser=True)[:2])
    if len(found) != 1:
        raise CommandError(f"there is no user {name!r}" if name else "say who acts: --by USERNAME")
    return found[0]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no JSON: {error}") from None


def _error(step: dict[str, Any]) -> str:
    return str(step["error"]["detail"]) if step["error"] else ""
