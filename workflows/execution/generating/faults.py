"""Vendors' faults and unfinished answers in the engine's words: whether a retry helps, and when."""

from streaming.llm import Finish, ModelError, ModelRefused, ModelUnavailable
from streaming.parsers import End
from workflows.errors import Fatal, Retryable, RetryAfter, StepError, Truncated


def in_our_words(error: ModelError) -> StepError:
    if isinstance(error, ModelRefused):
        return Fatal(str(error), code="model-refused")
    if isinstance(error, ModelUnavailable) and error.retry_after_seconds is not None:
        return RetryAfter(str(error), seconds=error.retry_after_seconds, code="model-unavailable")
    return Retryable(str(error), code="model-unavailable")


def fault_of(end: End, finish: Finish | None, *, is_too_large: bool, calls: int) -> StepError | None:
    """What is wrong with an answer that ended so; None for a whole one.

    is_too_large: a limit of ours ended it.  calls: how often the model was asked for it.
    """
    if is_too_large:
        return Retryable(
            "The model's answer is larger than is taken; what came before the limit is kept.",
            code="answer-too-large",
        )
    if end.kind == "truncated":
        asked = f", also when it was asked to go on ({calls - 1} times)" if calls > 1 else ""
        return Truncated(f"The model's answer was cut {_where(finish)}{asked}; what came before is kept.")
    if end.kind == "invalid" and end.items:
        return Retryable(
            "The model's document is no JSON between its values; what came before is kept.",
            code="unreadable-answer",
        )
    if end.kind == "invalid":
        return Retryable("The model's answer held nothing that could be read.", code="unreadable-answer")
    return None


def _where(finish: Finish | None) -> str:
    match finish.reason if finish else "unknown":
        case "length":
            return "at its length limit"
        case "content_filter":
            return "by the provider's content filter"
    return "before its end"
