"""Runs and addresses that the admin's tests share."""

from django.urls import reverse

from outbox.append import append
from tests.factories import NOW, messages
from workflows.models import Item, Run
from workflows.states import StepState

LIST = "/admin/workflows/run/"
SCRIPT = "<script>alert(1)</script>"
FAILED = (StepState.COMPLETED, StepState.COMPLETED, StepState.FAILED)


def page_of(run: Run) -> str:
    return reverse("admin:workflows_run_change", args=[run.pk])


def payload_of(run: Run, kind: str, key: object) -> str:
    return reverse("admin:workflows_run_payload", args=[run.pk, kind, key])


def ask_of(run: Run, slug: str) -> str:
    return reverse("admin:workflows_run_ask", args=[run.pk, slug])


def add_items(run: Run, count: int) -> None:
    """Items of the second step, and as many events."""
    step = run.steps.get(name="list_parts")
    Item.objects.bulk_create(
        Item(
            run=run,
            step=step,
            attempt=1,
            index=index,
            key=f"secret-key-{index}",
            type="Note",
            data={"text": f"part {index}"},
            seq=index + 1,
            created_at=NOW,
        )
        for index in range(count)
    )
    append(run.id, messages(count), now=NOW)
