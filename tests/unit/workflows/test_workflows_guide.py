"""docs/workflows.md names all that a step may declare and all that its body has."""

import inspect
import re
from pathlib import Path

from workflows.definitions import Retry, step
from workflows.definitions.step import DEFAULT_QUEUE, DEFAULT_TIMEOUT_SECONDS
from workflows.execution import StepContext

STEP = Path("docs/workflows.md").read_text().partition("## A step\n")[2].partition("\n## ")[0]
DECLARED, BODY = STEP.split("What its body has:")
ENGINE = {"accept", "finish", "go_on", "half_item", "reject", "repaired"}  # for `generate`, and the executor


def named(table: str) -> set[str]:
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)(?:\(.*?\))?`", row)}


def test_each_argument_of_a_step_is_in_the_table() -> None:
    assert named(DECLARED) == set(inspect.signature(step).parameters)


def test_the_defaults_are_those_of_a_step() -> None:
    retry = Retry()
    for name, default in {
        "queue": f'`"{DEFAULT_QUEUE}"`',
        "timeout": f"{DEFAULT_TIMEOUT_SECONDS:g}",
        "retry": f"`Retry(attempts={retry.attempts}, base={retry.base:g}, cap={retry.cap:g})`",
        "on_retry": '`"keep"`',
    }.items():
        assert f"| `{name}` | {default} |" in DECLARED


def test_each_public_name_of_the_context_is_in_the_other() -> None:
    public = {name for name in vars(StepContext) if not name.startswith("_")} - ENGINE
    assert named(BODY) == public | {"meter"}
