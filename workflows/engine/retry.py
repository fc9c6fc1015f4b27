"""Whether and when a failed attempt is tried again. Pure: the draw comes from the shell."""

from dataclasses import dataclass

from workflows.engine.outcomes import ErrorInfo, Failed

MAX_DOUBLINGS = 60  # 2.0 ** 1024 overflows a float; the cap wins long before


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """max_attempts: of one round; a retry by hand begins another. base, cap: seconds, > 0.

    persists: a retry-only step, which no number of attempts ends.
    """

    max_attempts: int
    base: float
    cap: float
    persists: bool = False


@dataclass(frozen=True)
class RetryIn:
    seconds: float


@dataclass(frozen=True)
class GiveUp:
    error: ErrorInfo


Verdict = RetryIn | GiveUp


def backoff_seconds(attempts_made: int, *, base: float, cap: float, roll: float) -> float:
    """Seconds to wait before the next attempt: capped doubling with full jitter.

    attempts_made: attempts so far, >= 1.  base, cap: seconds, > 0.  roll: uniform draw in [0, 1).
    Returns a wait in [0, cap).  Raises ValueError if attempts_made < 1.
    Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    if attempts_made < 1:
        raise ValueError(f"attempts_made must be >= 1, got {attempts_made}")
    return roll * min(cap, base * 2.0 ** min(attempts_made - 1, MAX_DOUBLINGS))


def judge(failure: Failed, policy: RetryPolicy, *, attempts_made: int, roll: float) -> Verdict:
    """Retry while the error may pass and the budget lasts; a wait asked for by the other side is a lower bound.

    attempts_made: attempts of this round, this one included.
    """
    is_spent = attempts_made >= policy.max_attempts and not policy.persists
    if not failure.error.retryable or is_spent:
        return GiveUp(failure.error)
    wait = backoff_seconds(attempts_made, base=policy.base, cap=policy.cap, roll=roll)
    return RetryIn(max(wait, failure.retry_after_seconds))
