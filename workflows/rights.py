"""Who may do what to a run. Seeing comes first: a run that a caller may not see is absent (`Run.objects.visible_to`).

    verb         the owner      others who see the run (staff)
    cancel       yes            workflows.cancel_run
    signal       yes            workflows.signal_run
    retry        permission     workflows.retry_run
    rerun        permission     workflows.rerun_run
    skip         permission     workflows.skip_step
    compensate   permission     workflows.compensate_run
    erase        permission     workflows.erase_run
    payloads     yes            workflows.view_payloads      (input, outputs, items, result)

Owners stop and answer what is theirs. The rest costs money or undoes work, so it takes the permission, also of owners.
"""

from collections.abc import Sequence

from django.contrib.auth.models import AnonymousUser, User

from workflows.definitions import Workflow
from workflows.errors import InvalidInput
from workflows.models import Run, Step
from workflows.services import allowed_actions

PERMISSIONS = {
    "cancel": "workflows.cancel_run",
    "signal": "workflows.signal_run",
    "retry": "workflows.retry_run",
    "rerun": "workflows.rerun_run",
    "skip": "workflows.skip_step",
    "compensate": "workflows.compensate_run",
    "erase": "workflows.erase_run",
}
START = "workflows.start_run"
PAYLOADS = "workflows.view_payloads"
OWNERS = frozenset({"cancel", "signal"})


def may(user: User | AnonymousUser, verb: str, run: Run) -> bool:
    """Whether `user`, who sees the run, may use `verb` on it, whatever its state."""
    if verb in OWNERS and user.pk is not None and run.owner_id == user.pk:
        return True
    return user.has_perm(PERMISSIONS[verb])


def may_see_payloads(user: User | AnonymousUser, run: Run) -> bool:
    """Whether `user`, who sees the run, may also read what it was given and what came of it."""
    return (user.pk is not None and run.owner_id == user.pk) or user.has_perm(PAYLOADS)


def actions_for(user: User | AnonymousUser | None, run: Run, steps: Sequence[Step]) -> list[str]:
    """The verbs that fit the run's state and that `user` may use; None: whoever."""
    allowed = allowed_actions(run, steps)
    return [verb for verb in allowed if user is None or may(user, verb, run)]


def refuse_trusted(workflow: Workflow, why: str) -> None:
    """An input that names stored files would let a caller name somebody else's. Raises InvalidInput."""
    if workflow.trusted_input:
        detail = f"workflow {workflow.name} {why}"
        raise InvalidInput(detail, errors=[("/input", "trusted_input", detail)])
