"""Schedules: rows of `django_celery_beat` whose task is `workflows.start_run` start a run at each of their moments.

Beat only points at a schedule that is due. Whether it is, and whether its run has been started, the row decides:
`last_run_at` is the last moment that was dealt with. Hence a message that comes twice, late or never, two beats and
a restarted one change nothing: the moment is started once, and beat points at it until it is.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.contrib.auth.models import User
from django.db.models import F, Q
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from pydantic import BaseModel, ConfigDict, Field

from outbox.clock import Clock
from workflows.conf import conf
from workflows.definitions import Workflow, registry
from workflows.engine.moments import EPOCH, Cron, Every, Moments, Once
from workflows.errors import EngineError, InvalidInput, UniqueKeyConflict
from workflows.models import RequestKey, Run
from workflows.services.inputs import validate_input, validated
from workflows.services.keys import Request, refuse_long, request_of
from workflows.services.start import start

logger = logging.getLogger(__name__)

TASK = "workflows.start_run"
TIMINGS = ("interval", "crontab", "solar", "clocked")
# The clock of beat's host may be this much ahead of ours, and its word is still taken for it.
CLOCK_SKEW = timedelta(seconds=5)
SHORTEST_INTERVAL = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)


class ScheduledRun(BaseModel):
    """The keyword arguments of a schedule: what it starts, in whose name, and what becomes of a missed moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow: str
    version: int | None = None
    input: dict[str, Any] = Field(default_factory=dict)
    owner: str = Field(pattern=r"^[^\x00]+$")
    title: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    unique_key: str | None = None
    catch_up: Literal["once", "skip"] = "once"


@dataclass(frozen=True)
class Schedule:
    """after: the last moment that was dealt with, or the one from which it counts. until: its end."""

    id: int
    name: str
    moments: Moments
    after: datetime
    until: datetime | None

    def due(self, now: datetime) -> datetime | None:
        """The newest moment that is not dealt with; older ones are missed for good."""
        until = now if self.until is None else min(now, self.until)
        return self.moments.latest(after=self.after, until=until)

    def following(self, now: datetime) -> datetime | None:
        """The first moment later than `now`, at which to look again."""
        moment = self.moments.following(max(now, self.after))
        return None if moment is None or (self.until is not None and moment > self.until) else moment


def start_due(schedule_id: int, *, said: datetime | None = None, clock: Clock) -> Run | None:
    """Start the run of the moment that is due, if one is; safe to call any number of times at once.

    said: the moment that beat saw. Returns None too when the moment is skipped (by policy, or since a live run has its
    unique key), and when its run cannot be started: then the error is logged, and the moment stays due.
    """
    task = PeriodicTask.objects.enabled().filter(pk=schedule_id, task=TASK).first()
    if task is None:
        return None
    now = clock.now()
    try:
        moment = schedule_of(task).due(now if said is None else max(now, min(said, now + CLOCK_SKEW)))
        if moment is None:
            return None
        run = _start(task, moment, now=now, clock=clock)
    except EngineError as error:
        faults = [fault[:2] for fault in error.errors] if isinstance(error, InvalidInput) else []
        extra = {"schedule": task.pk, "error": type(error).__name__, "faults": faults}
        logger.error("schedule cannot start its run; it stays due", extra=extra)
        return None
    _deal_with(task, moment, is_started=run is not None)
    return run


def start_now(task: PeriodicTask, *, clock: Clock) -> Run:
    """Start what the schedule starts, whenever it is due. Raises as `start`, and InvalidInput for its arguments."""
    return _start_run(read_kwargs(task.kwargs), request=None, clock=clock)


def scheduled_inputs(workflow: str) -> Iterator[dict[str, Any]]:
    """The input of each schedule that starts this workflow, of those that are off too.

    For a workflow's `erase`: what a schedule names will be read again, although no run reads it now.
    """
    for kwargs in PeriodicTask.objects.filter(task=TASK).values_list("kwargs", flat=True):
        try:
            wanted = read_kwargs(kwargs)
        except InvalidInput:  # it can start nothing
            continue
        if wanted.workflow == workflow:
            yield wanted.input


def _start(task: PeriodicTask, moment: datetime, *, now: datetime, clock: Clock) -> Run | None:
    """The run of this moment; None when it is to have none."""
    scope, key = f"schedule {task.pk}", moment.isoformat()
    # Whoever its owner was then, and however long ago: keys of callers are forgotten, a moment is not to come back.
    since = RequestKey.objects.filter(created_at__gte=moment - CLOCK_SKEW)  # by the index on time
    known = since.filter(scope=scope, key=key).select_related("run").first()
    if known is not None:
        return known.run
    wanted = read_kwargs(task.kwargs)
    ids = {"schedule": task.pk, "due": key}
    if _is_too_late(task, wanted, now - moment):
        logger.warning("missed moment skipped", extra=ids)
        return None
    # Without a body: it is the same request, also when the schedule was edited between two deliveries.
    owner = _owner(wanted)
    request = request_of(owner, scope=scope, key=key, body=None)
    try:
        return _start_run(wanted, request=request, clock=clock)
    except UniqueKeyConflict as conflict:
        logger.warning("moment passed over: a run is live", extra={**ids, "run": str(conflict.existing)})
        return None


def _start_run(wanted: ScheduledRun, *, request: Request | None, clock: Clock) -> Run:
    workflow, value, owner = resolve(wanted)
    return start(
        workflow,
        input=value,
        owner=owner,
        title=wanted.title,
        labels=wanted.labels,
        unique_key=wanted.unique_key,
        request=request,
        clock=clock,
    )


def _is_too_late(task: PeriodicTask, wanted: ScheduledRun, late: timedelta) -> bool:
    if task.expire_seconds is not None:
        return late > timedelta(seconds=task.expire_seconds)
    return wanted.catch_up == "skip" and late > timedelta(seconds=conf().schedule_grace_seconds)


def _deal_with(task: PeriodicTask, moment: datetime, *, is_started: bool) -> None:
    """Not `save()`: that would count as an edit, and overwrite one."""
    rows = PeriodicTask.objects.filter(pk=task.pk, enabled=True)
    rows = rows.filter(Q(last_run_at=None) | Q(last_run_at__lt=moment))
    rows.update(
        last_run_at=moment,
        total_run_count=F("total_run_count") + int(is_started),
        enabled=not task.one_off,
    )


def read_kwargs(text: str) -> ScheduledRun:
    """The keyword arguments of a row. Raises InvalidInput."""
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidInput("the keyword arguments are not JSON") from error
    return validated(ScheduledRun, value, what="the keyword arguments do not say what to start")


def resolve(wanted: ScheduledRun) -> tuple[Workflow, BaseModel, User]:
    """What is to be started, looked up. Raises UnknownWorkflow, InvalidInput."""
    workflow = registry.find(wanted.workflow, version=wanted.version)
    refuse_long("unique_key", wanted.unique_key)
    try:
        value = validate_input(workflow, wanted.input)
    except InvalidInput as error:
        faults = [(f"/input{pointer}", code, sentence) for pointer, code, sentence in error.errors]
        raise InvalidInput(str(error), errors=faults) from error
    return workflow, value, _owner(wanted)


def _owner(wanted: ScheduledRun) -> User:
    owner = User.objects.filter(username=wanted.owner, is_active=True).first()
    if owner is None:
        detail = f"there is no active user {wanted.owner!r}: name one by user name"
        raise InvalidInput(detail, errors=[("/owner", "unknown_user", detail)])
    return owner


def schedule_of(task: PeriodicTask) -> Schedule:
    """When a row is due. Raises InvalidInput for timings that runs cannot be started by."""
    moments = moments_of(task)
    after = task.last_run_at or task.date_changed
    if isinstance(moments, Once) and task.last_run_at is None:
        after = (
            moments.at - INSTANT
        )  # it may have been over when the row was written: then it is a missed one
    if task.start_time is not None:
        after = max(after, task.start_time - INSTANT)
    return Schedule(task.pk, task.name, moments, after, task.expires)


def moments_of(task: PeriodicTask) -> Moments:
    """An interval counts from the row's start time, or else from 1970: so the moments do not depend on who looks."""
    if task.clocked is not None:
        return Once(task.clocked.clocked_time)
    if task.interval is not None:
        try:
            interval = timedelta(**{task.interval.period: task.interval.every})
        except OverflowError as error:
            raise InvalidInput("the interval is too long") from error
        if interval < SHORTEST_INTERVAL:
            raise InvalidInput("runs can be started every second at most")
        return Every(interval, task.start_time or EPOCH)
    if task.crontab is not None:
        return _cron(task.crontab)
    raise InvalidInput("runs can be started by an interval, a crontab or a clocked time")


def _cron(crontab: CrontabSchedule) -> Cron:
    try:
        fields = crontab.schedule
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return Cron(
        minutes=frozenset(fields.minute),
        hours=frozenset(fields.hour),
        days_of_month=frozenset(fields.day_of_month),
        months=frozenset(fields.month_of_year),
        days_of_week=frozenset(fields.day_of_week),
        zone=crontab.timezone,
    )
