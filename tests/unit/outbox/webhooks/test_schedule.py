from datetime import UTC, datetime, timedelta

import pytest

from outbox.webhooks.schedule import Answer, Delivered, GivenUp, RetryIn, judge, retry_after

NOW = datetime(2026, 11, 22, 9, 31, 4, tzinfo=UTC)
MINUTE, HOUR = 60, 3_600


def test_the_waits_are_those_of_standard_webhooks_and_the_tenth_failure_is_the_last():
    verdicts = [judge(Answer(status=500), tries=tries, roll=0.0) for tries in range(1, 11)]
    waits = [verdict.seconds for verdict in verdicts if isinstance(verdict, RetryIn)]
    hours = [2, 5, 10, 14, 20, 24]
    assert waits == [5, 5 * MINUTE, 30 * MINUTE, *(hour * HOUR for hour in hours)]
    assert verdicts[-1] == GivenUp("answered 500")
    assert timedelta(seconds=sum(waits)) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("tries", range(1, 10))
def test_jitter_stretches_a_wait_by_a_fifth_at_most(tries):
    least = judge(Answer(status=500), tries=tries, roll=0.0)
    most = judge(Answer(status=500), tries=tries, roll=0.999)
    assert isinstance(least, RetryIn)
    assert isinstance(most, RetryIn)
    assert least.seconds < most.seconds < 1.2 * least.seconds


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_answer_of_the_two_hundreds_is_a_success(status):
    assert judge(Answer(status=status), tries=10, roll=0.5) == Delivered()


@pytest.mark.parametrize("status", [None, 100, 301, 307, 308, 400, 401, 404, 429, 500, 502, 503, 504])
def test_every_other_answer_is_tried_again(status):
    assert isinstance(judge(Answer(status=status, error=""), tries=1, roll=0.5), RetryIn)


def test_gone_ends_it_at_once():
    verdict = judge(Answer(status=410), tries=1, roll=0.5)
    assert isinstance(verdict, GivenUp)
    assert verdict.is_gone


def test_a_receiver_may_put_the_next_try_off_but_not_forward_and_not_for_ever():
    def wait(seconds: float) -> float:
        verdict = judge(Answer(status=503, retry_after=seconds), tries=2, roll=0.0)
        assert isinstance(verdict, RetryIn)
        return verdict.seconds

    assert wait(1_000) == 1_000
    assert wait(1) == 300
    assert wait(10**9) == 24 * HOUR


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Sun, 22 Nov 2026 09:33:04 GMT", 120),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("9" * 40, None),
        ("٣", None),
        ("", None),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999999", None),
        ("Mon, 01 Jan 2024 99999999999999999999999:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after({"retry-after": text}, now=NOW) == seconds


def test_without_retry_after_nothing_is_asked_for():
    assert retry_after({}, now=NOW) is None
