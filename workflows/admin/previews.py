"""What a verb would do to a run, in words: the steps in their order, and what stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from workflows.admin.payloads import Payload, payload_of
from workflows.engine.plan import Plan
from workflows.models import Run, Step
from workflows.models.step import UNHELD
from workflows.services.undoing import needs_undo
from workflows.states import STEP_DONE, StepKind, StepState


@dataclass(frozen=True, kw_only=True)
class Line:
    """One step that the verb will work on."""

    step: Step
    note: str
    output: Payload | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What will happen: the steps in the order in which they will be worked on, and what stays as it is."""

    lines: list[Line] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def preview_retry(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    """Preview of a retry. run: with its plan."""
    plan = Plan.from_json(run.plan)
    ended = (StepState.FAILED, StepState.CANCELLED)
    lines = [
        Line(step=step, note=f"tried again, up to {_times(plan.step(step.position).attempts)} more")
        for step in steps
        if step.state in ended
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


def preview_cancel(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    lines = [
        Line(step=step, note="asked to stop, and fenced off if it does not") for step in steps if step.is_held
    ]
    unbegun = [step for step in steps if step.state in {StepState.PENDING, *UNHELD}]
    done = [step for step in steps if step.state in STEP_DONE]
    return Preview(lines=lines, remarks=[*_remark("Will never begin", unbegun), *_remark("Done", done)])


def preview_rerun(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    return Preview(remarks=["A new run of the same input begins; this one stays as it is."])


def preview_skip(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    return Preview(remarks=["Later steps read what you give here. A failed run goes on."])


def preview_signal(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    waiting = [step for step in steps if step.state == StepState.WAITING and step.kind == StepKind.WAIT]
    return Preview(lines=[Line(step=step, note="completes with your answer") for step in waiting])


def preview_erase(run: Run, steps: Sequence[Step], *, can_view: bool) -> Preview:
    return Preview(
        remarks=["Upload, items, outputs, events and rows are removed. Who erased it is kept; nothing else."]
    )


def _undo_note(step: Step) -> str:
    if step.outcome_unknown:
        return "undone without an output: nobody knows whether its last try had its effect"
    return "undone with the output that it gave"


def _remark(what: str, steps: Sequence[Step]) -> list[str]:
    return [f"{what}: {', '.join(step.title for step in steps)}."] if steps else []


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
