"""What comes of a try: the decision, without rows, clock or dice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

# The waits that Standard Webhooks gives as its example: ten tries over three days.
WAITS_SECONDS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
# Each is stretched by up to this much, so that what failed together does not come again together.
JITTER = 0.2
MAX_RETRY_AFTER_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """status: None when there was none, and then `error` says why. retry_after: seconds that the receiver asked for."""

    status: int | None = None
    error: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Delivered:
    pass


@dataclass(frozen=True)
class RetryIn:
    seconds: float
    error: str


@dataclass(frozen=True)
class GivenUp:
    """is_gone: the receiver wants no more events at all."""

    error: str
    is_gone: bool = False


Verdict = Delivered | RetryIn | GivenUp


def judge(answer: Answer, *, tries: int, roll: float, scale: float = 1.0) -> Verdict:
    """tries: this one included, ≥ 1.  roll: uniform in [0, 1).  scale: what the waits are multiplied with.

    Retry-After puts a try off, never forward: else a receiver could use up all tries within a minute.
    """
    if answer.is_success:
        return Delivered()
    error = answer.error or _said(answer.status)
    if answer.status == HTTPStatus.GONE:
        return GivenUp(error, is_gone=True)
    if tries > len(WAITS_SECONDS):
        return GivenUp(error)
    wait = WAITS_SECONDS[tries - 1] * scale * (1 + JITTER * roll)
    asked = min(answer.retry_after or 0.0, MAX_RETRY_AFTER_SECONDS)
    return RetryIn(max(wait, asked), error)


def _said(status: int | None) -> str:
    if status is not None and 300 <= status < 400:
        return f"answered {status}: redirects are not followed, register the new address"
    return f"answered {status}"


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """The seconds that a Retry-After header (its name in lower case) asks for; None without one that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None
