"""Who may do what to a run. Seeing comes first: a run that a caller may not see is absent (`Run.objects.visible_to`).

    verb         the owner      others who see the run (staff)
    cancel       yes            workflows.cancel_run
    signal       yes            workflows.signal_run
    retry        permission     workflows.retry_run
    rerun        permission     workflows.rerun_run
    skip         permission     workflows.skip_step
    compensate   permission     workflows.compensate_run
    erase        permission     workflows.erase_run
    share        yes            workflows.share_run
    payloads     yes            workflows.view_payloads      (input, outputs, items, result)

Owners stop and answer what is theirs. The rest costs money or undoes work, so it takes the permission, also of owners.
An API token does no more than its scopes say: `act` for verbs, `payloads` for payloads. A share link has no verb, and
shows what its own scopes say.
"""

from collections.abc import Sequence

from workflows.definitions import Workflow
from workflows.errors import InvalidInput
from workflows.models import LinkScope, Run, Scope, Step
from workflows.principals import Principal
from workflows.services import allowed_actions

PERMISSIONS = {
    "cancel": "workflows.cancel_run",
    "signal": "workflows.signal_run",
    "retry": "workflows.retry_run",
    "rerun": "workflows.rerun_run",
    "skip": "workflows.skip_step",
    "compensate": "workflows.compensate_run",
    "erase": "workflows.erase_run",
    "share": "workflows.share_run",
}
START = "workflows.start_run"
PAYLOADS = "workflows.view_payloads"
OWNERS = frozenset({"cancel", "signal"})


def may(principal: Principal, verb: str, run: Run) -> bool:
    """Whether `principal`, who sees the run, may use `verb` on it, whatever its state."""
    user = principal.user
    if user is None or not principal.has(Scope.ACT):
        return False
    if verb in OWNERS and run.owner_id == user.pk:
        return True
    return user.has_perm(PERMISSIONS[verb])


def may_share(principal: Principal, run: Run) -> bool:
    """Whether `principal`, who sees the run, may make, list and revoke its share links."""
    user = principal.user
    return user is not None and (run.owner_id == user.pk or user.has_perm(PERMISSIONS["share"]))


def may_see_payloads(principal: Principal, run: Run) -> bool:
    """Whether `principal`, who sees the run, may also read what it was given and what came of it."""
    user = principal.user
    if user is None or not principal.has(Scope.PAYLOADS):
        return False
    return run.owner_id == user.pk or user.has_perm(PAYLOADS)


def may_see_items(principal: Principal, run: Run) -> bool:
    """The same of what its steps found, which a share link may show too."""
    return principal.has(LinkScope.ITEMS) or may_see_payloads(principal, run)


def may_see_result(principal: Principal, run: Run) -> bool:
    """The same of its result, and of files that were made of it."""
    return principal.has(LinkScope.RESULT) or may_see_payloads(principal, run)


def actions_for(principal: Principal | None, run: Run, steps: Sequence[Step]) -> list[str]:
    """The verbs that fit the run's state and that `principal` may use; None: whoever."""
    allowed = allowed_actions(run, steps)
    return [verb for verb in allowed if principal is None or may(principal, verb, run)]


def refuse_trusted(workflow: Workflow, why: str) -> None:
    """An input that names stored files would let a caller name somebody else's. Raises InvalidInput."""
    if workflow.trusted_input:
        detail = f"workflow {workflow.name} {why}"
        raise InvalidInput(detail, errors=[("/input", "trusted_input", detail)])
