"""What an operator may do here: every verb of the engine, with its permission, its form and its preview."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from workflows import services
from workflows.admin import forms, previews
from workflows.models import Run, Step
from workflows.rights import PERMISSIONS


@dataclass(frozen=True, kw_only=True)
class Verb:
    """name: as in `allowed_actions`. slug: in addresses. done: what is said of runs after it.

    form: what it asks for. perform: the service, with the form's extras by name. is_bulk: of many runs at once.
    """

    name: str
    slug: str
    label: str
    intro: str
    done: str
    perform: Callable[..., Run | None]
    preview: Callable[..., previews.Preview]
    form: type[forms.ReasonForm] = forms.ReasonForm
    is_bulk: bool = False

    @property
    def permission(self) -> str:
        return PERMISSIONS[self.name]

    def is_permitted(self, user: User | AnonymousUser) -> bool:
        return user.has_perm(self.permission)


RETRY = Verb(
    name="retry",
    slug="retry",
    label="Retry",
    intro="What failed is tried again, and the run goes on from there. What is done stays as it is.",
    done="Going on from what failed",
    perform=services.retry,
    preview=previews.preview_retry,
    form=forms.FromStepForm,
    is_bulk=True,
)
UNDO = Verb(
    name="compensate",
    slug="undo",
    label="Undo",
    intro="What the run did is undone, newest first. The run does not go on after that.",
    done="Being undone",
    perform=services.compensate,
    preview=previews.preview_undo,
    is_bulk=True,
)
CANCEL = Verb(
    name="cancel",
    slug="cancel",
    label="Cancel",
    intro="What has not begun never will; what is at work is asked to stop.",
    done="Being cancelled",
    perform=services.cancel,
    preview=previews.preview_cancel,
    form=forms.CancelForm,
    is_bulk=True,
)
SIGNAL = Verb(
    name="signal",
    slug="answer",
    label="Answer",
    intro="The waiting step completes with your answer, and the run goes on.",
    done="Answered",
    perform=services.signal,
    preview=previews.preview_signal,
    form=forms.SignalForm,
)
SKIP = Verb(
    name="skip",
    slug="skip",
    label="Skip a step",
    intro="The run does without a step that nobody works on.",
    done="Going on without the step",
    perform=services.skip,
    preview=previews.preview_skip,
    form=forms.SkipForm,
)
RERUN = Verb(
    name="rerun",
    slug="rerun",
    label="Run again",
    intro="The same work once more, as a new run; outputs of earlier steps can be taken over.",
    done="Started again",
    perform=services.rerun,
    preview=previews.preview_rerun,
    form=forms.RerunForm,
)
ERASE = Verb(
    name="erase",
    slug="erase",
    label="Erase",
    intro="The run is removed with everything that it holds.",
    done="Erased",
    perform=services.erase,
    preview=previews.preview_erase,
    form=forms.EraseForm,
)
VERBS = {verb.slug: verb for verb in (RETRY, UNDO, CANCEL, SIGNAL, SKIP, RERUN, ERASE)}


def offered(run: Run, steps: list[Step], user: Any) -> list[Verb]:
    """The verbs that fit the run's state and that the user may use: the buttons that are drawn."""
    allowed = services.allowed_actions(run, steps)
    return [verb for verb in VERBS.values() if verb.name in allowed and verb.is_permitted(user)]
