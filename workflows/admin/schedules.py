"""Schedules in the admin: the rows of django-celery-beat, refused while they could not start their runs."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django_celery_beat.admin import PeriodicTaskAdmin, PeriodicTaskForm
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from kombu.utils.json import loads

from outbox.clock import CLOCK
from workflows.admin import columns
from workflows.errors import EngineError, InvalidInput
from workflows.services import scheduling
from workflows.services.scheduling import TASK, TIMINGS, ScheduledRun

PERMISSION = "workflows.start_run"
KINDS: dict[str, tuple[type, str]] = {"args": (list, "list"), "kwargs": (dict, "object")}
EXAMPLE = (
    '{"workflow": "document-analysis", "input": {"filename": "lease.pdf", "media_type": "application/pdf", '
    '"storage_name": "uploads/lease.pdf", "size_bytes": 48213, "sha256": "7f3a…"}, "owner": "anna", "catch_up": "once"}'
)


class ScheduleForm(PeriodicTaskForm):  # type: ignore[misc]
    """user: who fills it in; the admin sets it."""

    user: Any

    class Meta(PeriodicTaskForm.Meta):  # type: ignore[misc]
        help_texts = {
            "kwargs": f"For {TASK}: {EXAMPLE}; also version, title, labels, unique_key. "
            'catch_up: "once" starts the newest missed moment, "skip" none.'
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if data.get("task") == TASK:
            if not self.user.has_perm(PERMISSION):
                self.add_error("task", f"You need the permission {PERMISSION} for schedules that start runs.")
            self._check_timing(data)
            if "kwargs" in data:
                self._check_run(data["kwargs"])
            if data.get("args") not in (None, "", "[]"):
                self.add_error("args", f"Leave it empty: {TASK} takes keyword arguments.")
        return data

    def _clean_json(self, field: str) -> str:
        """Read as beat reads it, where some objects stand for dates or numbers. It passes on a list and an object."""
        text: str = self.cleaned_data[field]
        kind, name = KINDS[field]
        try:
            is_kind = isinstance(loads(text), kind)
        except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValidationError(f"Unable to parse JSON: {error}") from error
        if not is_kind:
            raise ValidationError(f"Write a JSON {name}.")
        return text

    def _check_run(self, text: str) -> None:
        """A sentence for each fault, at the place in the arguments where it is."""
        try:
            scheduling.resolve(scheduling.read_kwargs(text))
        except InvalidInput as error:
            for pointer, _, sentence in error.errors or [("", "", str(error))]:
                self.add_error("kwargs", f"{pointer}: {sentence}" if pointer else sentence)
        except EngineError as error:
            self.add_error("kwargs", f"/workflow: {error}")

    def _check_timing(self, data: dict[str, Any]) -> None:
        timings = {name: data.get(name) for name in TIMINGS}
        if list(timings.values()).count(None) != len(timings) - 1:
            return  # the model says so
        try:
            moments = scheduling.moments_of(PeriodicTask(start_time=data.get("start_time"), **timings))
        except InvalidInput as error:
            self.add_error(None, f"{str(error).capitalize()}.")
            return
        is_new = any(name in self.changed_data for name in TIMINGS)
        if is_new and moments.following(timezone.now()) is None:
            self.add_error(None, "That time is over, or never comes: choose one that lies ahead.")


class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]
    form = ScheduleForm
    list_display = ("name", "enabled", "starts", "scheduler", "last_moment", "next_moment")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> "type[ModelForm[Any]]":
        form = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        """With another timing it counts from now on: moments that it would have had are not missed ones."""
        if change and {*TIMINGS, "start_time", "enabled"} & set(form.changed_data):
            obj.last_run_at = timezone.now()
        super().save_model(request, obj, form, change)

    @admin.display(description="starts")
    def starts(self, task: PeriodicTask) -> str:
        wanted = _wanted(task)
        return task.task if wanted is None else f"{wanted.workflow} as {wanted.owner}"

    @admin.display(description="last moment", ordering="last_run_at")
    def last_moment(self, task: PeriodicTask) -> str:
        return columns.NONE if task.last_run_at is None else _told(task.last_run_at)

    @admin.display(description="next moment")
    def next_moment(self, task: PeriodicTask) -> str:
        """The moment that is due while nothing deals with it: then its run cannot be started, the log says why."""
        try:
            schedule = scheduling.schedule_of(task) if task.enabled and task.task == TASK else None
        except InvalidInput as error:
            return str(error)
        if schedule is None:
            return columns.NONE
        now = timezone.now()
        moment = schedule.due(now) or schedule.following(now)
        return columns.NONE if moment is None else _told(moment)

    # Stock actions ask for no permission: whoever may look might also switch and start.

    @admin.action(description="Enable selected schedules", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        count = _switch(queryset.filter(enabled=False), enabled=True)
        messages.success(request, f"{count} enabled; they count from now on.")

    @admin.action(description="Disable selected schedules", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        messages.success(request, f"{_switch(queryset.filter(enabled=True), enabled=False)} disabled.")

    @admin.action(description="Start or run selected schedules now", permissions=["change"])
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Beside their moments: those are started all the same."""
        ours = queryset.filter(task=TASK)
        if ours and not request.user.has_perm(PERMISSION):
            messages.error(request, f"You need the permission {PERMISSION} to start runs.")
            return
        for task in ours:
            try:
                run = scheduling.start_now(task, clock=CLOCK)
                messages.success(request, f"{task.name}: run {run.pk} started.")
            except EngineError as error:
                messages.error(request, f"{task.name}: {error}")
        others = queryset.exclude(task=TASK)
        if others:
            super().run_tasks(request, others)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without the stock toggle: enabling and disabling say what they do."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("toggle_tasks", None)
        return actions


def _switch(queryset: QuerySet[PeriodicTask], *, enabled: bool) -> int:
    count: int = queryset.update(enabled=enabled, last_run_at=timezone.now() if enabled else None)
    PeriodicTasks.update_changed()  # for a stock scheduler, should one read the rows
    return count


def _wanted(task: PeriodicTask) -> ScheduledRun | None:
    try:
        return scheduling.read_kwargs(task.kwargs) if task.task == TASK else None
    except InvalidInput:
        return None


def _told(moment: datetime) -> str:
    return columns.moment(moment, f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}")


# Its own admin comes with the app, which stands before this one.
admin.site.unregister(PeriodicTask)
admin.site.register(PeriodicTask, ScheduleAdmin)
