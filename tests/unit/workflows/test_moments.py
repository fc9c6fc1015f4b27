from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.engine.moments import Cron, Every, Once

BERLIN = ZoneInfo("Europe/Berlin")
ALL = {
    "minutes": frozenset(range(60)),
    "hours": frozenset(range(24)),
    "days_of_month": frozenset(range(1, 32)),
    "months": frozenset(range(1, 13)),
    "days_of_week": frozenset(range(7)),
}
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def cron(zone=BERLIN, **fields):
    return Cron(zone=zone, **{**ALL, **{name: frozenset(values) for name, values in fields.items()}})


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def moments_between(schedule, start, end):
    found = []
    while (start := schedule.following(start)) is not None and start <= end:
        found.append(start)
    return found


def test_a_daily_time_is_local():
    nine = cron(hours=[9], minutes=[0])

    assert nine.latest(after=at(2026, 1, 1), until=at(2026, 1, 10, 12)) == at(2026, 1, 10, 8)
    assert nine.latest(after=at(2026, 1, 1), until=at(2026, 7, 10, 12)) == at(2026, 7, 10, 7)
    assert nine.following(at(2026, 1, 10, 8)) == at(2026, 1, 11, 8)


def test_only_the_newest_of_many_missed_moments_is_told():
    every_minute = cron()

    assert every_minute.latest(after=at(2020, 1, 1), until=at(2026, 1, 1, 0, 0, 59)) == at(2026, 1, 1)


def test_a_moment_that_was_dealt_with_is_not_due_again():
    nine = cron(hours=[9], minutes=[0])

    assert nine.latest(after=at(2026, 1, 10, 8), until=at(2026, 1, 11, 7, 59, 59)) is None


def test_a_time_that_the_clocks_skip_is_due_after_the_gap():
    skipped = cron(hours=[2], minutes=[30])  # on 2026-03-29 two becomes three

    assert moments_between(skipped, at(2026, 3, 28, 12), at(2026, 3, 29, 12)) == [at(2026, 3, 29, 1, 30)]


def test_a_time_that_comes_twice_is_due_once():
    doubled = cron(hours=[2], minutes=[30])  # on 2026-10-25 three becomes two

    assert moments_between(doubled, at(2026, 10, 24, 12), at(2026, 10, 25, 12)) == [at(2026, 10, 25, 0, 30)]


@pytest.mark.parametrize("month", [3, 10])
def test_every_hour_is_every_hour_also_when_the_clocks_change(month):
    hourly = cron(minutes=[0])
    start = at(2026, month, 24)

    found = moments_between(hourly, start, start + timedelta(days=7))

    assert found == [start + timedelta(hours=hour) for hour in range(1, 7 * 24 + 1)]


def test_a_day_must_match_both_of_month_and_of_week():
    friday_13 = cron(hours=[0], minutes=[0], days_of_month=[13], days_of_week=[5], zone=ZoneInfo("UTC"))

    assert friday_13.following(at(2026, 4, 1)) == at(2026, 11, 13)


def test_a_leap_day_is_found_and_a_day_that_never_comes_is_not():
    leap = cron(hours=[0], minutes=[0], days_of_month=[29], months=[2], zone=ZoneInfo("UTC"))
    never = cron(days_of_month=[30], months=[2])

    assert leap.following(at(2026, 1, 1)) == at(2028, 2, 29)
    assert leap.latest(after=at(2020, 1, 1), until=at(2026, 1, 1)) == at(2024, 2, 29)
    assert never.following(at(2026, 1, 1)) is None


def test_an_interval_counts_from_its_anchor_whoever_looks():
    hourly = Every(timedelta(hours=1), at(2026, 1, 1, 0, 20))

    assert hourly.latest(after=at(2026, 1, 1), until=at(2026, 1, 3, 9, 19)) == at(2026, 1, 3, 8, 20)
    assert hourly.latest(after=at(2026, 1, 3, 8, 20), until=at(2026, 1, 3, 9, 19)) is None
    assert hourly.following(at(2026, 1, 3, 8, 20)) == at(2026, 1, 3, 9, 20)


def test_a_clocked_time_comes_once():
    once = Once(at(2026, 1, 1))

    assert once.latest(after=at(2025, 1, 1), until=at(2026, 1, 1)) == at(2026, 1, 1)
    assert once.following(at(2026, 1, 1)) is None


@given(
    moment=MOMENTS,
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=3),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata"]),
)
def test_what_follows_is_the_newest_once_it_has_come(moment, minutes, hours, zone):
    schedule = cron(minutes=minutes, hours=hours, zone=ZoneInfo(zone))

    following = schedule.following(moment)

    assert following > moment
    assert schedule.latest(after=moment, until=following) == following
    assert schedule.latest(after=moment, until=following - timedelta(seconds=1)) is None


def test_beyond_the_calendar_nothing_is_due():
    end, day = datetime.max.replace(tzinfo=UTC), timedelta(days=1)
    endless = Every(900_000_001 * day)
    assert endless.following(at(2026, 1, 1)) is None
    assert endless.latest(after=at(1960, 1, 1), until=at(1965, 1, 1)) is None
    assert cron(hours=[9], minutes=[0]).following(end) is None
    assert cron(hours=[9], minutes=[0]).latest(after=end, until=end) is None
