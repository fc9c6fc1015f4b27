"""What an operator may do here: retry and undo, and what each of them would do to a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from workflows import services
from workflows.admin.payloads import Payload, payload_of
from workflows.engine.plan import Plan
from workflows.models import Run, Step
from workflows.services.undoing import needs_undo
from workflows.states import STEP_DONE, StepState


@dataclass(frozen=True, kw_only=True)
class Line:
    """One step that the verb will work on."""

    step: Step
    note: str
    output: Payload | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What will happen: the steps in the order in which they will be worked on, and what stays as it is."""

    lines: list[Line]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Verb:
    """name: as in `allowed_actions`. slug: in addresses. done: what is said of runs after it."""

    name: str
    slug: str
    label: str
    permission: str
    intro: str
    done: str
    perform: Callable[..., Run]
    preview: Callable[..., Preview]

    def is_permitted(self, user: User | AnonymousUser) -> bool:
        return user.has_perm(self.permission)


def preview_retry(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    """Preview of a retry. run: with its plan."""
    plan = Plan.from_json(run.plan)
    lines = [
        Line(step=step, note=f"tried again, up to {_times(plan.step(step.position).attempts)} more")
        for step in steps
        if step.state == StepState.FAILED
    ]
    kept = [step for step in steps if step.state in STEP_DONE]
    waiting = [step for step in steps if step.state == StepState.PENDING]
    return Preview(
        lines=lines,
        remarks=[*_remark("Done, and not done again", kept), *_remark("Then, in order", waiting)],
    )


def preview_undo(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    """Preview of an undo. steps: with their `payload_size`.

    The order is the engine's own: an undo that failed goes on first, then the newest stage.
    """
    stuck = [step for step in steps if step.state == StepState.COMPENSATION_FAILED]
    wanted = needs_undo(steps)
    notes = [(step, "its undo failed, and is tried again") for step in stuck]
    notes += [(step, _undo_note(step)) for step in wanted]
    lines = [
        Line(step=step, note=note, output=payload_of("output", step, run_id=run.pk, can_view=can_view))
        for step, note in notes
    ]
    left = [step for step in steps if step.state == StepState.COMPLETED and step not in wanted]
    unbegun = [step for step in steps if step.state == StepState.PENDING]
    return Preview(
        lines=lines,
        remarks=[
            *_remark("Stays as it is, since it has no undo", left),
            *_remark("Will never begin", unbegun),
        ],
    )


def _undo_note(step: Step) -> str:
    if step.outcome_unknown:
        return "undone without an output: nobody knows whether its last try had its effect"
    return "undone with the output that it gave"


def _remark(what: str, steps: Sequence[Step]) -> list[str]:
    return [f"{what}: {', '.join(step.title for step in steps)}."] if steps else []


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


RETRY = Verb(
    name="retry",
    slug="retry",
    label="Retry",
    permission="workflows.retry_run",
    intro="What failed is tried again, and the run goes on from there. What is done stays as it is.",
    done="Going on from what failed",
    perform=services.retry,
    preview=preview_retry,
)
UNDO = Verb(
    name="compensate",
    slug="undo",
    label="Undo",
    permission="workflows.compensate_run",
    intro="What the run did is undone, newest first. The run does not go on after that.",
    done="Being undone",
    perform=services.compensate,
    preview=preview_undo,
)
VERBS = {verb.slug: verb for verb in (RETRY, UNDO)}


def offered(run: Run, steps: list[Step], user: Any) -> list[Verb]:
    """The verbs that fit the run's state and that the user may use: the buttons that are drawn."""
    allowed = services.allowed_actions(run, steps)
    return [verb for verb in VERBS.values() if verb.name in allowed and verb.is_permitted(user)]
