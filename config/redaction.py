"""What must not reach a log: secrets by the name of their key or the look of the text, and what people wrote.

Pure: values in, values out. Names are matched whole words at a time, so `token` hides `access_token` and not
`tokens_out`.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
MAX_DEPTH = 6
MAX_TEXT_CHARS = 2_000

SECRET_NAME = re.compile(
    r"(^|[_\-.])(password|passwd|passphrase|secret|token|api_?key|secret_?key|authorization|cookie|set_?cookie"
    r"|credentials?|private_?key|session_?id|basic_auth|dsn)($|[_\-.])",
    re.IGNORECASE,
)
# What a person or a model wrote belongs to the run's rows; a log gets its size.
CONTENT_NAMES = frozenset({"prompt", "prompts", "messages", "completion", "content", "body", "quote", "text"})

SECRET_TEXT = [
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), HIDDEN),  # user and password of a URL
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/._~=\-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(lht?_)[A-Za-z0-9_\-]{20,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?<=/s/)[A-Za-z0-9_\-]{20,}|(?<=/shared/)[A-Za-z0-9_\-]{20,}"), HIDDEN),
    (re.compile(r"\bsk-[A-Za-z0-9_\-]{8,}"), HIDDEN),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]{8,}"), HIDDEN),
    (
        re.compile(
            r"(?i)\b((?:[a-z0-9]+[_\-])*(?:password|passwd|secret|token|api[_\-]?key)(?:[_\-]key)?"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
        ),
        rf"\1{HIDDEN}",
    ),
]


def clean_text(text: str) -> str:
    """`text` without secrets, cut to MAX_TEXT_CHARS."""
    for pattern, replacement in SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]}… [{len(text)} characters]"


def is_secret_name(name: str) -> bool:
    return SECRET_NAME.search(name) is not None


def clean_field(name: str, value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """The value of a log field called `name`, JSON-ready, without anything that must stay out of a log."""
    if value is not None and is_secret_name(name):
        return HIDDEN
    if name.lower() in CONTENT_NAMES and isinstance(value, str | bytes | list | tuple | dict):
        return f"[{len(value)} {'characters' if isinstance(value, str) else 'entries'}]"
    return _clean(value, depth)


def _clean(value: Any, depth: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping() if depth:
            return {
                str(name): clean_field(str(name), inner, depth=depth - 1) for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_clean(inner, depth - 1) for inner in value]
        case _:
            return clean_text(str(value))
