"""What a provider's failure means for us, and the sentence that a person reads.

The provider's own words are left out: they may quote the key or the prompt. Its error code and request id
stay, since they help whoever asks the provider.
"""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import openai

from streaming.llm.base import ModelError, ModelRefused, ModelUnavailable

SLUG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Told as 429 or 400, yet no wait mends them.
TOO_LONG = ("context_length_exceeded", "string_above_max_length")
NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")
RETRYABLE = (408, 409, 425, 429)
LATER = "Another try may succeed."


def explain(error: openai.OpenAIError, *, host: str, max_retry_after_seconds: float) -> ModelError:
    """The error of ours for one of the SDK's. host: of the provider, without credentials."""
    match error:
        case openai.APITimeoutError():
            return ModelUnavailable(f"The model provider at {host} did not answer in time. {LATER}")
        case openai.APIConnectionError():
            return ModelUnavailable(
                f"The model provider at {host} could not be reached or hung up. Check MODEL_BASE_URL and the network."
            )
        case openai.APIStatusError():
            return _status(error, host=host, max_retry_after_seconds=max_retry_after_seconds)
        case openai.APIError():
            return ModelUnavailable(
                f"The model provider at {host} broke off its answer with an error{_trace(error)}. {LATER}"
            )
    return ModelRefused(
        f"The model provider at {host} could not be asked. Check the settings that begin with MODEL_."
    )


def _status(error: openai.APIStatusError, *, host: str, max_retry_after_seconds: float) -> ModelError:
    status, where = error.status_code, f"{host} (HTTP {error.status_code}{_trace(error)})"
    if error.code in NO_CREDIT:
        return ModelRefused(
            f"The account at the model provider {where} has no credit left. Top it up, then retry."
        )
    if status in RETRYABLE or status >= 500:
        asked = retry_after_seconds(error.response.headers, now=time.time())
        wait = None if asked is None else min(asked, max_retry_after_seconds)
        what = "is overloaded or limits our requests" if status == 429 else "has a problem of its own"
        return ModelUnavailable(f"The model provider at {where} {what}. {LATER}", retry_after_seconds=wait)
    if status in (401, 403):
        return ModelRefused(f"The model provider at {where} did not accept the key. Check MODEL_API_KEY.")
    if status == 404:
        return ModelRefused(
            f"The model provider at {where} does not know this address or model. "
            "Check MODEL_BASE_URL and MODEL_NAME."
        )
    if status == 413 or error.code in TOO_LONG:
        return ModelRefused(
            f"The text is too long for the model at {where}. Use a shorter one or a larger model."
        )
    return ModelRefused(
        f"The model provider at {where} refused the request. Check MODEL_NAME and its abilities."
    )


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """The wait that the provider asks for, >= 0, or None. now: seconds since 1970, for a date."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _trace(error: openai.APIError) -> str:
    """What helps to find the case at the provider, when it looks like a name and not like a sentence."""
    named = (("code", error.code), ("request", getattr(error, "request_id", None)))
    return "".join(f", {name} {value}" for name, value in named if value and SLUG.fullmatch(value))
