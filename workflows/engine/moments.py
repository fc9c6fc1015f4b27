"""When a schedule is due. Pure: whoever computes a moment, and whenever, comes to the same one.

That is what makes a moment a key. Celery counts an interval from when it last looked, which no two processes agree on.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, wraps
from typing import ParamSpec, Protocol
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# The 29th of February on a given weekday comes back within 40 years.
SEARCH_DAYS = 41 * 366

Asked = ParamSpec("Asked")


def within_the_calendar(
    find: Callable[Asked, datetime | None],
) -> Callable[Asked, datetime | None]:
    """None too when a search leaves the years that dates have: nothing is due there."""

    @wraps(find)
    def found(*args: Asked.args, **kwargs: Asked.kwargs) -> datetime | None:
        try:
            return find(*args, **kwargs)
        except OverflowError:
            return None

    return found


class Moments(Protocol):
    """Points in time, in UTC, at which something is due."""

    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        """The newest moment later than `after` and not later than `until`."""

    def following(self, after: datetime) -> datetime | None:
        """The first moment later than `after`; None when there is none any more."""


@dataclass(frozen=True)
class Once:
    at: datetime

    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        return self.at if after < self.at <= until else None

    def following(self, after: datetime) -> datetime | None:
        return self.at if self.at > after else None


@dataclass(frozen=True)
class Every:
    """A grid: `anchor` and whole intervals from it."""

    interval: timedelta
    anchor: datetime = EPOCH

    @within_the_calendar
    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        moment = self._at_or_before(until)
        return moment if moment > after else None

    @within_the_calendar
    def following(self, after: datetime) -> datetime | None:
        return self._at_or_before(after) + self.interval

    def _at_or_before(self, moment: datetime) -> datetime:
        return self.anchor + (moment - self.anchor) // self.interval * self.interval


@dataclass(frozen=True)
class Cron:
    """Local times of `zone` at which all five fields match (Celery's rule: also both of the days'). Sunday is 0.

    A time that the clocks skip is due as far after the gap. One that comes twice is due the first time, unless every
    hour is named: then each hour counts.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days_of_week: frozenset[int]
    zone: ZoneInfo

    @within_the_calendar
    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        # A day more on both sides: a local day may begin a day before or after the one of UTC.
        day, first = (until + DAY).date(), (after - DAY).date()
        while day >= first:
            times = _times_of(self, day)
            place = bisect_right(times, until)
            if place:
                return times[place - 1] if times[place - 1] > after else None
            day -= DAY
        return None

    @within_the_calendar
    def following(self, after: datetime) -> datetime | None:
        day = (after - DAY).date()
        for _ in range(SEARCH_DAYS):
            times = _times_of(self, day)
            place = bisect_right(times, after)
            if place < len(times):
                return times[place]
            day += DAY
        return None

    def includes(self, day: date) -> bool:
        return (
            day.month in self.months
            and day.day in self.days_of_month
            and day.isoweekday() % 7 in self.days_of_week
        )


@lru_cache(maxsize=1_000)
def _times_of(cron: Cron, day: date) -> list[datetime]:
    """The moments of one local day in order, as UTC."""
    if not cron.includes(day):
        return []
    folds = (0, 1) if len(cron.hours) == 24 else (0,)
    local = (
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=cron.zone, fold=fold)
        for hour in cron.hours
        for minute in cron.minutes
        for fold in folds
    )
    return sorted({moment.astimezone(UTC) for moment in local})
