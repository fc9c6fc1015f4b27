"""What a handler may read and write, bound to its lease: the services' side of `execution.ports.Records`."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from outbox import wire
from outbox.clock import Clock
from outbox.frames import send_frame
from outbox.models import Audience
from streaming.parsers import Op
from workflows import events
from workflows.conf import conf
from workflows.engine.budget import Used
from workflows.engine.items import Change, CommittedItem
from workflows.engine.lease import Lease
from workflows.engine.plan import Plan
from workflows.models import Item, Run, Step
from workflows.services import items, outputs, spending
from workflows.services.partials import Partials
from workflows.states import StepKind, StepState

HAS_OUTPUT = (StepState.COMPLETED, StepState.COMPENSATED, StepState.SKIPPED)


class LeasedRecords:
    """Reads and fenced writes of one attempt. Every write raises LeaseLost once the lease is another's."""

    def __init__(self, lease: Lease, *, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock
        self._partials = Partials(lease)

    def read_input(self) -> Any:
        return Run.objects.values_list("input", flat=True).get(pk=self._lease.run_id)

    def read_output(self, step_name: str) -> Any:
        """The JSON output of a step of this run. Raises LookupError while it has none, StoredValueLost."""
        pk, state, kind = Step.objects.values_list("pk", "state", "kind").get(
            run_id=self._lease.run_id, name=step_name
        )
        if kind == StepKind.FAN_OUT:
            raise LookupError(
                f"step {step_name} is fanned out: read its results with ctx.outputs({step_name})"
            )
        output = outputs.read_output(pk)
        if output is None and self._lease.step_name != step_name and state not in HAS_OUTPUT:
            raise LookupError(
                f"step {step_name} is {state}: it has no output yet; order the steps the other way"
            )
        return output

    def read_outputs(self, step_name: str) -> list[Any]:
        """The JSON outputs of all parts of a fan-out, in order of its items. Raises LookupError, StoredValueLost."""
        fan_out = Step.objects.get(run_id=self._lease.run_id, name=step_name)
        if fan_out.kind != StepKind.FAN_OUT:
            raise LookupError(
                f"step {step_name} is not fanned out: read its result with ctx.output({step_name})"
            )
        if fan_out.state not in HAS_OUTPUT:
            raise LookupError(
                f"step {step_name} is {fan_out.state}: it has no outputs yet; order the steps the other way"
            )
        return outputs.read_parts(fan_out)

    def read_item(self) -> tuple[str, Any]:
        """Of a part: the name of the step that its fan-out is over, and its item. Raises LookupError."""
        rows = Step.objects.values_list("parent_id", "position", "item", "run__plan")
        parent, position, item, plan = rows.get(pk=self._lease.step_id)
        if parent is None:
            raise LookupError(f"step {self._lease.step_name} is no part of a fan-out: it has no item")
        return str(Plan.from_json(plan).step(position).over), item

    def outcome_unknown(self) -> bool:
        return Step.objects.values_list("outcome_unknown", flat=True).get(pk=self._lease.step_id)

    def read_next_index(self) -> int:
        """The index that the next new item of this step will have."""
        return Step.objects.values_list("items_count", flat=True).get(pk=self._lease.step_id)

    def read_items(self, step_name: str) -> list[CommittedItem]:
        """The current items of a step of this run, in order of index."""
        rows = (
            Item.objects.current().filter(run_id=self._lease.run_id, step__name=step_name).order_by("index")
        )
        return [CommittedItem(index=row.index, key=row.key, value=row.data) for row in rows.iterator()]

    def commit_items(self, changes: list[Change]) -> None:
        self._partials.committed(items.commit_items(self._lease, changes, clock=self._clock))

    def say(self, template: str, params: dict[str, Any]) -> None:
        items.say(self._lease, template, params, clock=self._clock)

    def save_progress(self, progress: dict[str, Any]) -> None:
        items.save_progress(self._lease, progress, clock=self._clock)

    def save_usage(self, usage: dict[str, Any]) -> None:
        spending.save_usage(self._lease, usage)

    def read_used(self) -> Used:
        return spending.used_by_others(self._lease)

    def touch(self) -> None:
        items.touch(self._lease, clock=self._clock)

    def show_progress(self, progress: dict[str, Any]) -> None:
        """Live only: a frame for whoever looks at this moment."""
        data = events.StepProgress(**progress)
        headers = {"step": self._lease.step_name, "attempt": self._lease.number}
        frame = wire.frame(
            self._lease.run_id, data.TYPE, data.model_dump(), headers=headers, now=timezone.now()
        )
        send_frame(self._lease.run_id, frame, audience=Audience.PUBLIC, max_entries=conf().frames_max_entries)

    def show_partial(self, index: int, rev: int, ops: Sequence[Op], whole: Any) -> bool:
        return self._partials.show(index, rev, ops, whole)

    def hide_partial(self, index: int, rev: int) -> None:
        self._partials.hide(index, rev)
