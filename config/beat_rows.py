"""What beat knows of the database's schedules: which are due, and what it has sent for them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.beat import ScheduleEntry
from celery.schedules import schedstate, schedule
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from config.conf import conf
from workflows.services.scheduling import TASK, Schedule

NEVER = datetime.max.replace(tzinfo=UTC)
MAX_DOUBLINGS = 30
NO_TIMING = schedule(1.0)  # of what is sent at once
# Longest trust in what django-celery-beat says of a row's next time.
LOOK_AGAIN_SECONDS = 5.0


class Unusable(ValueError):
    """A row that names no timing, or whose arguments are no JSON, or not a list and an object."""


class RunRow:
    """A schedule that starts runs: due until its row says that the moment was dealt with.

    A moment that nobody deals with is pointed at again, after waits that double.
    """

    def __init__(self, *, app: Any) -> None:
        self._app = app
        self._schedule: Schedule | None = None
        self._look_at: datetime | None = None  # nothing is due before
        self._moment: datetime | None = None  # the last one that was due
        self._sent_count = 0  # for it
        self._repeat_at: datetime | None = None

    @property
    def schedule(self) -> Schedule:
        assert self._schedule is not None  # renew() comes first
        return self._schedule

    @property
    def id(self) -> int:
        return self.schedule.id

    def renew(self, schedule: Schedule) -> None:
        """What the database says now."""
        if schedule != self._schedule:
            self._schedule, self._look_at = schedule, None

    def is_due(self, now: datetime) -> bool:
        if self._look_at is not None and now < self._look_at:
            return False
        self._look_at, moment = None, self.schedule.due(now)
        if moment is None:
            self._look_at = self.schedule.following(now) or NEVER
            return False
        if moment != self._moment:
            self._moment, self._sent_count, self._repeat_at = moment, 0, None
        return self._repeat_at is None or now >= self._repeat_at

    def entry(self) -> ScheduleEntry:
        """What to send. A second message for the same moment finds in the row that it was dealt with."""
        assert self._moment is not None  # is_due() found it
        return ScheduleEntry(
            name=self.schedule.name,
            task=TASK,
            kwargs={"schedule": self.id, "due_at": self._moment.isoformat()},
            schedule=NO_TIMING,
            app=self._app,
        )

    def sent(self, now: datetime) -> None:
        self._repeat_at = now + timedelta(seconds=self._repeat_seconds())
        self._sent_count += 1

    def rest_seconds(self, now: datetime) -> float:
        """How long it is not due."""
        wake_at = self._look_at or self._repeat_at or now
        return (wake_at - now).total_seconds()

    def _repeat_seconds(self) -> float:
        doubled = conf().schedule_repeat_seconds * 2.0 ** min(self._sent_count, MAX_DOUBLINGS)
        return min(doubled, conf().schedule_repeat_cap_seconds)


class TaskEntry(ModelEntry):  # type: ignore[misc]
    """Any other task of a row, by the rules of django-celery-beat, but without a query from beat's own thread."""

    def __init__(self, model: PeriodicTask, app: Any = None) -> None:
        super().__init__(model, app=app)
        self.id: int = model.pk
        # Celery takes whatever is empty for no arguments.
        if not (isinstance(self.args or [], list) and isinstance(self.kwargs or {}, dict)):
            raise Unusable(f"schedule {model.pk} has arguments that are no list, or no object")

    def _disable(self, model: PeriodicTask) -> None:
        raise Unusable(f"schedule {model.pk} has no timing, or arguments that are no JSON")

    def is_due(self) -> schedstate:
        model, now = self.model, datetime.now(UTC)
        if (model.expires is not None and now >= model.expires) or (model.one_off and model.total_run_count):
            return schedstate(False, LOOK_AGAIN_SECONDS)
        state: schedstate = super().is_due()
        return state


class TaskRow:
    """A row of any other task. Its last run is saved when rows are next read: a crash before may send it twice."""

    def __init__(self, *, save: Callable[[int, dict[str, Any]], None]) -> None:
        self._save = save
        self._entry: TaskEntry | None = None
        self._look_at: datetime | None = None

    @property
    def id(self) -> int:
        return self.entry().id

    def renew(self, entry: TaskEntry) -> None:
        """What the database says now; what is not saved yet goes on."""
        if self._entry is not None and entry.last_run_at < self._entry.last_run_at:
            entry.model.last_run_at = entry.last_run_at = self._entry.last_run_at
            entry.model.total_run_count = entry.total_run_count = self._entry.total_run_count
        self._entry, self._look_at = entry, None

    def is_due(self, now: datetime) -> bool:
        if self._look_at is not None and now < self._look_at:
            return False
        is_due, next_seconds = self.entry().is_due()
        self._look_at = now + timedelta(seconds=min(float(next_seconds), LOOK_AGAIN_SECONDS))
        return bool(is_due)

    def entry(self) -> TaskEntry:
        assert self._entry is not None  # renew() comes first
        return self._entry

    def sent(self, now: datetime) -> None:
        self._entry = next(self.entry())
        model = self._entry.model
        done = {"last_run_at": model.last_run_at, "total_run_count": model.total_run_count}
        self._save(self.id, {**done, "enabled": False} if model.one_off else done)

    def rest_seconds(self, now: datetime) -> float:
        return 0.0 if self._look_at is None else (self._look_at - now).total_seconds()
