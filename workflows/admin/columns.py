"""The cells of the run list. Everything that data can fill goes through `format_html`, which escapes it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from outbox import wire
from workflows.admin.reading import overdue_before
from workflows.admin.wording import ago, clipped, counted, duration
from workflows.models import Run, Step
from workflows.selectors import run_sentence
from workflows.states import RUN_TERMINAL, STEP_DONE, STEP_TERMINAL, RunState, StepState

NONE = "–"
SENTENCE_MAX_CHARS = 140
BROKEN = (StepState.FAILED, StepState.COMPENSATION_FAILED)


def badge(state: str, label: str) -> SafeString:
    """A state as icon and word: colour alone says nothing."""
    return format_html(
        '<span class="lh-state" data-state="{}"><svg class="lh-icon" width="16" height="16" aria-hidden="true">'
        '<use href="#icon-{}"/></svg>{}</span>',
        state,
        state,
        label.lower(),
    )


def state_cell(run: Run, *, now: datetime) -> SafeString:
    mark: str | SafeString = ""
    if late := overdue_seconds(run, run.steps.all(), now=now):
        mark = format_html(
            ' <span class="lh-stuck" title="Its alarm rang and nothing has moved it since">stuck for {}</span>',
            duration(late),
        )
    return format_html("{}{}", badge(run.state, _label(run)), mark)


def overdue_seconds(run: Run, steps: Iterable[Step], *, now: datetime) -> float:
    """How long the alarm of a live run is overdue; 0 while that is nothing to speak of."""
    alarms = [step.due_at for step in steps if step.due_at is not None]
    if run.state in RUN_TERMINAL or not alarms or min(alarms) >= overdue_before(now):
        return 0.0
    return (now - min(alarms)).total_seconds()


def step_of_interest(run: Run, steps: Sequence[Step]) -> Step | None:
    """The step at fault, else the one at work, else the next one; None for a run that is done."""
    at_fault = [step for step in steps if step.state in BROKEN]
    current = [step for step in steps if step.state not in {StepState.PENDING, *STEP_TERMINAL}]
    current.sort(key=lambda step: step.lease_token is None)
    return next(iter([*at_fault, *current] if run.is_terminal else [*current, *at_fault]), None)


def doing_cell(run: Run, *, now: datetime) -> SafeString | str:
    """Where it failed and why, or what it is doing; and the attempts used."""
    steps = list(run.steps.all())
    step = step_of_interest(run, steps)
    if step is None:
        return clipped(run_sentence(run, []), SENTENCE_MAX_CHARS) or NONE
    tries = attempts_of(step)
    return format_html(
        '<strong>{}</strong> {}<div class="quiet">{}</div>',
        _where(step),
        _why(run, step, now=now),
        "" if tries == NONE else f"attempt {tries}",
    )


def _where(step: Step) -> str:
    lead = {StepState.FAILED: "failed at ", StepState.COMPENSATION_FAILED: "undo failed at "}
    return lead.get(StepState(step.state), "") + step.title


def _why(run: Run, step: Step, *, now: datetime) -> SafeString | str:
    wait = next_try(step, now=now)
    if step.state in BROKEN or wait:
        error = step.error or run.error or {}
        detail = clipped(str(error.get("detail", "")), SENTENCE_MAX_CHARS)
        again = f"Next try in {wait}." if wait else ""
        return format_html(
            '<span class="lh-bad">{}</span> {} {}', error.get("error_class", ""), detail, again
        )
    said = clipped(run_sentence(run, [step]), SENTENCE_MAX_CHARS)
    return "" if said == step.title else said


def next_try(step: Step, *, now: datetime) -> str:
    """How long until the next try, of the step or of its undo; empty when it waits for none."""
    is_between = step.state == StepState.RETRYING or (
        step.state == StepState.COMPENSATING and step.error is not None and step.lease_token is None
    )
    return duration((step.due_at - now).total_seconds()) if is_between and step.due_at else ""


def attempts_of(step: Step) -> str:
    """Attempts used, of those that the present round allows."""
    if step.undo_count:
        return f"{step.undo_count} of {step.max_undo_attempts} (undo)"
    return f"{step.attempt_count} of {step.max_attempts}" if step.attempt_count else NONE


def progress_cell(run: Run) -> SafeString:
    """In the unit of the step at work, else in steps; with a small bar."""
    steps = list(run.steps.all())
    step = step_of_interest(run, steps)
    progress: dict[str, Any] = (step.progress if step else None) or _whole_steps(steps)
    return format_html("{}{}", bar(progress), counted(progress))


def _whole_steps(steps: Sequence[Step]) -> dict[str, Any]:
    done = sum(step.state in STEP_DONE for step in steps)
    return {"done": done, "total": len(steps), "unit": "steps"}


def bar(progress: dict[str, Any]) -> SafeString | str:
    """A drawing beside the words; nothing while the total is unknown."""
    done, total = progress.get("done") or 0, progress.get("total")
    if not total:
        return ""
    percent = int(100 * min(1.0, max(0.0, done / total)))
    return format_html(
        '<svg class="lh-bar" width="110" height="6" aria-hidden="true">'
        '<rect class="lh-rail" width="100%" height="100%" rx="3"/>'
        '<rect class="lh-fill" width="{}%" height="100%" rx="3"/></svg> ',
        percent,
    )


def age_cell(run: Run, *, now: datetime) -> SafeString:
    """When it was created, and how long it has run."""
    taken = ""
    if run.started_at is not None:
        taken = duration(((run.finished_at or now) - run.started_at).total_seconds())
    age = moment(run.created_at, ago(run.created_at, now))
    return format_html('{}<div class="quiet" title="duration">{}</div>', age, taken)


def what_cell(run: Run) -> SafeString:
    """Title, and under it workflow and owner."""
    return format_html(
        '{}<div class="quiet">{} v{} · {}</div>',
        run.title or run.pk,
        run.workflow,
        run.version,
        run.owner.get_username(),
    )


def moment(value: datetime, text: str) -> SafeString:
    exact = f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', wire.timestamp(value), exact, text)


def _label(run: Run) -> str:
    return str(RunState(run.state).label)
