"""What a provider's failure means for us, and the sentence that a person reads.

The provider's own words are read and left out: they may quote the key or the prompt. Its error code and request id
stay, since they help whoever asks the provider.
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import openai

from streaming.llm.base import ModelError, ModelRefused, ModelUnavailable
from streaming.llm.openai_line import explain_line

SLUG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_WORDS_CHARS = 400
RETRYABLE = (408, 409, 425, 429)
LATER = "Another try may succeed."
# Told as 429, 400 or 403, yet no wait mends them. Local servers have no codes, only words.
NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|credits)|billing_hard_limit|exceeded your current quota", re.I
)
TOO_LONG = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size|maximum context length"
    r"|context (length|size|window)|prompt is too long|too many (input )?tokens|input is too long",
    re.I,
)
FILTERED = re.compile(
    r"content[_ ]?filter|content_policy|ResponsibleAIPolicy|content management policy|flagged|moderation",
    re.I,
)
NO_SCHEMA = re.compile(r"response_?format|json_?schema|json_?object|structured output|guided|grammar", re.I)
NO_PREFILL = re.compile(
    r"prefill|prefix|continue_final_message|add_generation_prompt|last message|assistant", re.I
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """host: of the provider, without credentials. is_structured, is_prefilled: what was wanted beyond plain chat."""

    host: str
    max_retry_after_seconds: float = 3_600.0
    is_structured: bool = False
    is_prefilled: bool = False


def explain(error: openai.OpenAIError, asked: Asked) -> ModelError:
    """The error of ours for one of the SDK's."""
    match error:
        case openai.APITimeoutError():
            return ModelUnavailable(f"The model provider at {asked.host} did not answer in time. {LATER}")
        case openai.APIConnectionError():
            return explain_line(error, host=asked.host)
        case openai.APIStatusError():
            return _status(error, asked)
        case openai.APIError():
            return _broken_off(error, asked)
    return ModelRefused(
        f"The model provider at {asked.host} could not be asked. Check the settings that begin with MODEL_."
    )


def _broken_off(error: openai.APIError, asked: Asked) -> ModelError:
    """An error in the middle of the stream: its status is 200, so its words alone tell."""
    where = f"{asked.host} ({trace.removeprefix(', ')})" if (trace := _trace(error)) else asked.host
    refusal = _verdict(_words(error), where)
    if refusal is not None:
        return refusal
    return ModelUnavailable(
        f"The model provider at {asked.host} broke off its answer with an error{trace}. {LATER}"
    )


def _status(error: openai.APIStatusError, asked: Asked) -> ModelError:
    status, words = error.status_code, _words(error)
    where = f"{asked.host} (HTTP {status}{_trace(error)})"
    if status == 402 or NO_CREDIT.search(words):
        return ModelRefused(
            f"The account at the model provider {where} has no credit left. Top it up, then retry."
        )
    if status in RETRYABLE or status >= 500:
        wait = retry_after_seconds(error.response.headers, now=time.time())
        what = "is overloaded or limits our requests" if status in (429, 529) else "has a problem of its own"
        return ModelUnavailable(
            f"The model provider at {where} {what}. {LATER}",
            retry_after_seconds=None if wait is None else min(wait, asked.max_retry_after_seconds),
        )
    if status == 401:
        return ModelRefused(
            f"The model provider at {where} did not accept the key. Check LONGHAUL_MODEL_API_KEY."
        )
    if status == 413:
        return _too_long(where)
    return _verdict(words, where) or _refused(status, words, where, asked)


def _verdict(words: str, where: str) -> ModelRefused | None:
    """On the text itself, whatever the status."""
    if FILTERED.search(words):
        return ModelRefused(
            f"A content filter of the model provider at {where} refused the text. Change the task or the material, "
            "or ask another model."
        )
    return _too_long(where) if TOO_LONG.search(words) else None


def _too_long(where: str) -> ModelRefused:
    return ModelRefused(
        f"The text is too long for the model at {where}. Use a shorter one or a larger model."
    )


def _refused(status: int, words: str, where: str, asked: Asked) -> ModelRefused:
    if status == 403:
        return ModelRefused(
            f"The model provider at {where} does not allow this. "
            "Check what the key in LONGHAUL_MODEL_API_KEY may do, and where."
        )
    if asked.is_structured and NO_SCHEMA.search(words):
        return ModelRefused(
            f"The model at {where} does not take the answer's schema, or none at all. "
            "Set LONGHAUL_MODEL_STRUCTURED_OUTPUT to json_object or off: items are checked all the same."
        )
    if asked.is_prefilled and NO_PREFILL.search(words):
        return ModelRefused(
            f"The model at {where} does not go on with an answer that was begun. "
            "Set LONGHAUL_MODEL_PREFILL to none."
        )
    if status == 404:
        return ModelRefused(
            f"The model provider at {where} does not know this address or model. "
            "Check LONGHAUL_MODEL_BASE_URL and LONGHAUL_MODEL_NAME."
        )
    extras = [
        ("LONGHAUL_MODEL_STRUCTURED_OUTPUT", asked.is_structured),
        ("LONGHAUL_MODEL_PREFILL", asked.is_prefilled),
    ]
    names = ["its abilities", *(name for name, is_asked in extras if is_asked)]
    return ModelRefused(
        f"The model provider at {where} refused the request. "
        f"Check LONGHAUL_MODEL_NAME and {' and '.join(names)}."
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
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _words(error: openai.APIError) -> str:
    """What the provider said, for reading only: its beginning, since some quote the whole request after it."""
    match error.body:
        case {"message": str(words)} | {"detail": str(words)} | str(words):
            pass
        case _:
            words = ""
    return f"{error.code} {error.type} {error.param} {words[:MAX_WORDS_CHARS]}"


def _trace(error: openai.APIError) -> str:
    """What helps to find the case at the provider, when it looks like a name and not like a sentence."""
    # Not every server keeps to the SDK's types: vLLM says the status again as a number.
    named = (("code", error.code), ("request", getattr(error, "request_id", None)))
    return "".join(f", {name} {value}" for name, value in named if value and SLUG.fullmatch(str(value)))
