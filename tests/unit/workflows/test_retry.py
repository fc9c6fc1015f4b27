import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.engine.outcomes import ErrorInfo, Failed
from workflows.engine.retry import GiveUp, RetryIn, RetryPolicy, backoff_seconds, judge

POLICY = RetryPolicy(max_attempts=3, base=1.0, cap=10.0)


def failed(*, retryable: bool = True, wait: float = 0.0) -> Failed:
    error = ErrorInfo(code="closed", detail="The shop is closed.", retryable=retryable)
    return Failed(error=error, retry_after_seconds=wait)


@given(st.integers(1, 10_000), st.floats(0.001, 100), st.floats(0, 1, exclude_max=True))
def test_a_back_off_stays_between_zero_and_its_cap(attempts_made, base, roll):
    assert 0 <= backoff_seconds(attempts_made, base=base, cap=100.0, roll=roll) < 100.0


def test_the_back_off_doubles_until_the_cap():
    waits = [backoff_seconds(made, base=1.0, cap=10.0, roll=0.5) for made in range(1, 7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_back_off_before_the_first_attempt_makes_no_sense():
    with pytest.raises(ValueError, match="attempts_made"):
        backoff_seconds(0, base=1.0, cap=10.0, roll=0.5)


def test_a_passing_error_is_retried_while_the_budget_lasts():
    assert judge(failed(), POLICY, attempts_made=1, roll=0.5) == RetryIn(0.5)
    assert judge(failed(), POLICY, attempts_made=2, roll=0.5) == RetryIn(1.0)
    assert judge(failed(), POLICY, attempts_made=3, roll=0.5) == GiveUp(failed().error)


def test_a_fatal_error_is_not_retried():
    fatal = failed(retryable=False)
    assert judge(fatal, POLICY, attempts_made=1, roll=0.5) == GiveUp(fatal.error)


def test_the_other_sides_wait_is_a_lower_bound():
    assert judge(failed(wait=30.0), POLICY, attempts_made=1, roll=0.5) == RetryIn(30.0)


def test_a_policy_that_persists_ends_with_an_error_that_will_not_pass_only():
    policy = RetryPolicy(max_attempts=3, base=1.0, cap=10.0, persists=True)
    assert judge(failed(), policy, attempts_made=500, roll=0.5) == RetryIn(5.0), "the cap, with its jitter"
    fatal = failed(retryable=False)
    assert judge(fatal, policy, attempts_made=1, roll=0.5) == GiveUp(fatal.error)
