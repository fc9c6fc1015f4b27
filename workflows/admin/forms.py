"""What a verb asks for before it acts: a reason always, and what it takes besides."""

from collections.abc import Sequence
from typing import Any

from django import forms

from workflows.conf import conf as engine_conf
from workflows.models import Run, Step
from workflows.services.acting import SKIPPABLE
from workflows.states import StepState
from workflows.strict_json import JSONField

SKIPPABLE_PARTS = [StepState.FAILED, StepState.READY, StepState.RETRYING]


class ReasonForm(forms.Form):
    """Why. It goes into the audit trail and into the run's log."""

    reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Kept in the audit trail beside your name.",
    )

    def __init__(
        self, *args: Any, run: Run | None = None, steps: Sequence[Step] = (), **options: Any
    ) -> None:
        """run, steps: of the one run that the page is about; None for several."""
        super().__init__(*args, **options)
        self.run = run
        self.fit(steps)

    def fit(self, steps: Sequence[Step]) -> None:
        """Offer what this run has. A form for several runs asks for nothing that only one of them has."""

    def clean_reason(self) -> str:
        reason, limit = str(self.cleaned_data["reason"]), engine_conf().reason_max_chars
        if len(reason) > limit:
            raise forms.ValidationError(
                f"A reason has at most {limit} characters; this one has {len(reason)}."
            )
        return reason

    def extras(self) -> dict[str, Any]:
        """What the verb takes beside the reason, by the names of its service."""
        return {}


class CancelForm(ReasonForm):
    undo = forms.ChoiceField(
        label="What is done",
        choices=[("", "as the workflow says"), ("keep", "stays"), ("undo", "is undone, newest first")],
        required=False,
    )
    field_order = ["undo", "reason"]

    def extras(self) -> dict[str, Any]:
        return {"undo": {"": None, "keep": False, "undo": True}[self.cleaned_data["undo"]]}


class FromStepForm(ReasonForm):
    """For one run, from which step; several runs each go on from where they are."""

    nowhere = "where it failed"
    field_order = ["from_step", "reason"]

    def fit(self, steps: Sequence[Step]) -> None:
        if steps:
            choices = [("", self.nowhere), *((step.name, step.title) for step in steps)]
            self.fields["from_step"] = forms.ChoiceField(label="From", choices=choices, required=False)
            self.order_fields(self.field_order)

    def extras(self) -> dict[str, Any]:
        return {"from_step": self.cleaned_data.get("from_step") or None}


class RerunForm(FromStepForm):
    nowhere = "its beginning"


class SkipForm(ReasonForm):
    step = forms.ChoiceField(label="Step")
    output = JSONField(
        required=False, help_text="JSON that later steps read in place of its output; empty for none."
    )
    field_order = ["step", "output", "reason"]

    def fit(self, steps: Sequence[Step]) -> None:
        self.fields["reason"].required = True
        # Those that failed first, then those that wait for a worker.
        parts = (
            Step.objects.filter(run=self.run, parent__isnull=False, state__in=SKIPPABLE_PARTS)
            .defer("output", "item")
            .order_by("state", "position", "index")[:100]
        )
        open_steps = [step for step in steps if step.state in SKIPPABLE]
        shown = [*open_steps, *parts]
        self.fields["step"].choices = [(step.name, f"{step.title} ({step.name})") for step in shown]  # type: ignore[attr-defined]

    def extras(self) -> dict[str, Any]:
        return {"step": self.cleaned_data["step"], "output": self.cleaned_data["output"]}


class SignalForm(ReasonForm):
    name = forms.ChoiceField(label="Waiting step")
    payload = JSONField(
        required=False, label="Answer", help_text="JSON; empty for an answer without content."
    )
    field_order = ["name", "payload", "reason"]

    def fit(self, steps: Sequence[Step]) -> None:
        waiting = [step for step in steps if step.state == StepState.WAITING]
        self.fields["name"].choices = [(step.name, step.title) for step in waiting]  # type: ignore[attr-defined]

    def extras(self) -> dict[str, Any]:
        return {"name": self.cleaned_data["name"], "payload": self.cleaned_data["payload"]}


class EraseForm(ReasonForm):
    reference = forms.CharField(
        help_text="The reference of the run, as its page shows it: this cannot be undone."
    )
    field_order = ["reference", "reason"]

    def clean_reference(self) -> str:
        reference = str(self.cleaned_data["reference"]).strip().lower()
        if self.run is None or reference != str(self.run.pk)[-8:]:
            raise forms.ValidationError("This is not the run's reference.")
        return reference
