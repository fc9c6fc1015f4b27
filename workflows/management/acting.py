"""The verbs of `manage.py runs`: their arguments, and what each does.

A shell is the operator's, so it may name anybody as who acts; what is done in their name they must be allowed to do.
"""

from argparse import ArgumentParser, _SubParsersAction
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from workflows import selectors, services
from workflows.definitions import find
from workflows.management.arguments import json_value, text
from workflows.models import Run
from workflows.principals import principal_of
from workflows.rights import PERMISSIONS, START, may, refuse_trusted

STEP_VERBS = ("retry", "rerun")


def add_verbs(verbs: "_SubParsersAction[Any]") -> None:
    """A sub-command for each verb: the run, who acts and why, and what the verb takes besides."""
    objects = {"skip": "skip a step of a run", "signal": "answer a wait of a run"}
    parsers = {verb: verbs.add_parser(verb, help=objects.get(verb, f"{verb} a run")) for verb in ACTIONS}
    for parser in parsers.values():
        parser.add_argument("run", type=text, help="id of the run, or its last digits")
        parser.add_argument("--reason", type=text, default="", help="kept in the audit trail")
        _add_actor(parser)
    undo = parsers["cancel"].add_mutually_exclusive_group()
    undo.add_argument("--undo", action="store_true", default=None, help="undo what is done")
    undo.add_argument("--keep", dest="undo", action="store_false", help="keep what is done")
    for verb in STEP_VERBS:
        parsers[verb].add_argument("--from-step", type=text)
    parsers["rerun"].add_argument(
        "--input", type=json_value, help="JSON object or @file, in place of the run's input"
    )
    parsers["skip"].add_argument("step", type=text)
    parsers["skip"].add_argument(
        "--output", type=json_value, help="JSON or @file, in place of the step's output"
    )
    parsers["signal"].add_argument("name", type=text)
    parsers["signal"].add_argument("payload", type=json_value, nargs="?", help="JSON or @file, the answer")


def add_start(verbs: "_SubParsersAction[Any]") -> None:
    parser = verbs.add_parser("start", help="start a run; it belongs to who acts")
    parser.add_argument("workflow", type=text, help="its name; `manage.py flows` lists them")
    parser.add_argument("--input", type=json_value, default={}, help="JSON object or @file")
    parser.add_argument("--key", type=text, help="idempotency key: the same command again gets the same run")
    parser.add_argument("--unique-key", type=text, help="at most one live run of this workflow has it")
    _add_actor(parser)


def _add_actor(parser: ArgumentParser) -> None:
    parser.add_argument("--by", type=text, help="user name of who acts; by default the only superuser")


def actor(name: str | None) -> User:
    """Raises CommandError when nobody, or more than one, comes into question."""
    users = User.objects.filter(is_active=True)
    found = list(users.filter(username=name) if name else users.filter(is_superuser=True)[:2])
    if len(found) != 1:
        raise CommandError(f"there is no user {name!r}" if name else "say who acts: --by USERNAME")
    return found[0]


def act(verb: str, run: Run, by: User, options: dict[str, Any]) -> Run | None:
    """Do it; None when the run was erased. Raises CommandError when `by` may not, EngineError as the services do."""
    if not selectors.runs_visible_to(principal_of(by)).filter(pk=run.pk).exists():
        raise CommandError(f"{by} may not see run {run.id}: name its owner, {run.owner}, or staff with --by")
    if not may(principal_of(by), verb, run):
        raise _lacks(by, PERMISSIONS[verb])
    done: Run | None = ACTIONS[verb](run, by, options)
    return done


def start(by: User, options: dict[str, Any]) -> Run:
    """Raises CommandError when `by` may not, EngineError as `services.start` does."""
    if not by.has_perm(START):
        raise _lacks(by, START)
    workflow = find(options["workflow"])
    refuse_trusted(workflow, "has a door of its own: it cannot be started here")
    asked = {name: options[name] for name in ("workflow", "input", "unique_key") if options[name] is not None}
    key = options["key"]
    return services.start(
        workflow,
        input=options["input"],
        owner=by,
        unique_key=options["unique_key"],
        request=None if key is None else services.request_of(by, scope="start", key=key, body=asked),
    )


def _lacks(by: User, permission: str) -> CommandError:
    return CommandError(
        f"{by} lacks the permission {permission}: give it in the admin, or name with --by who has it"
    )


def _cancel(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.cancel(run.pk, by=by, undo=options["undo"], reason=options["reason"])


def _retry(run: Run, by: User, options: dict[str, Any]) -> Run:
    return services.retry(run.pk, by=by, from_step=options["from_step"], reason=options["reason"])


def _rerun(run: Run, by: User, options: dict[str, Any]) -> Run:
    if options["input"] is not None:
        refuse_trusted(find(run.workflow, version=run.version), "takes no other input here")
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
