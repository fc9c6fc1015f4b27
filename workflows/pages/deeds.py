"""What whoever looks may do to a run from its page: stop it, and answer what it waits for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from workflows.definitions import find
from workflows.engine.plan import Plan
from workflows.errors import UnknownWorkflow
from workflows.models import Run, Step
from workflows.pages.answers import AnswerForm
from workflows.principals import Principal
from workflows.rights import may
from workflows.services import allowed_actions
from workflows.services.undoing import point_of_no_return
from workflows.states import StepKind, StepState


@dataclass(frozen=True, kw_only=True)
class Stop:
    """is_open: whether the run can be stopped now. undo: whether that undoes what is done; None: not to be chosen."""

    is_open: bool
    undo: bool | None


@dataclass(frozen=True, kw_only=True)
class Deeds:
    """The forms on the page, those of another time hidden: a script shows each when its time has come.

    refusal: why what was asked for did not happen.
    """

    stop: Stop | None = None
    answers: Sequence[AnswerForm] = field(default_factory=list)
    refusal: str = ""


def deeds_of(
    principal: Principal,
    run: Run,
    steps: Sequence[Step],
    *,
    given: AnswerForm | None = None,
    refusal: str = "",
) -> Deeds:
    """steps: of the run's plan. given: an answer with its faults, which stands in for the empty form."""
    stop = _stop(run, steps) if may(principal, "cancel", run) else None
    answers = _answers(run, steps, given) if may(principal, "signal", run) else []
    return Deeds(stop=stop, answers=answers, refusal=refusal)


def _stop(run: Run, steps: Sequence[Step]) -> Stop:
    can_undo = any(step.has_undo for step in steps) and point_of_no_return(steps) is None
    undo = Plan.from_json(run.plan).on_failure == "compensate" if can_undo else None
    return Stop(is_open="cancel" in allowed_actions(run, steps), undo=undo)


def _answers(run: Run, steps: Sequence[Step], given: AnswerForm | None) -> list[AnswerForm]:
    """One form for each wait of the plan; none where this process lacks the definition, and could not take it."""
    try:
        workflow = find(run.workflow, version=run.version)
    except UnknownWorkflow:
        return []
    forms = []
    for step in steps:
        if step.kind != StepKind.WAIT:
            continue
        if given is not None and given.name == step.name:
            forms.append(given)
            continue
        forms.append(AnswerForm(workflow.wait(step.name), is_open=step.state == StepState.WAITING))
    return forms
