import json
import logging
import sys
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import IntegrityError
from pydantic import BaseModel

from config.logging import MAX_FRAMES, JsonFormatter
from documents.errors import Unreadable


def formatted(message: str, *args: Any, error: BaseException | None = None, **extra: Any) -> dict[str, Any]:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("workflows.sweep", logging.WARNING, __file__, 1, message, args, info)
    record.__dict__.update(extra)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def test_a_record_is_one_line_of_json_with_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESS_NAME", "worker")

    fields = formatted(
        "step %s\nsent again", "read", run="0198", step="extract_text", attempt=2, wait_seconds=0.5
    )

    assert fields.pop("time").endswith("Z")
    assert fields.pop("process").startswith("worker:")
    assert fields == {
        "level": "warning",
        "logger": "workflows.sweep",
        "message": "step read\nsent again",
        "run": "0198",
        "step": "extract_text",
        "attempt": 2,
        "wait_seconds": 0.5,
    }


def test_secrets_are_hidden_in_message_and_fields() -> None:
    fields = formatted(
        "calling %s", "https://user:canary@host", api_key="canary", url="redis://:canary@host/0"
    )

    assert "canary" not in json.dumps(fields)


def test_a_prompt_is_never_written() -> None:
    assert formatted("asking the model", prompt="canary " * 10)["prompt"] == "[70 characters]"


def boom(depth: int) -> None:
    secret = "canary-in-a-variable"
    if depth:
        boom(depth - 1)
    raise ValueError(f"no page {len(secret)} at postgres://u:canary@host/db")


def test_an_exception_is_compact_and_shows_no_variables() -> None:
    try:
        try:
            boom(20)
        except ValueError as cause:
            raise RuntimeError("reading failed") from cause
    except RuntimeError as error:
        fields = formatted("failed", error=error)["error"]
    assert fields["class"] == "RuntimeError"
    assert fields["cause"] == "ValueError"
    assert len(fields["frames"]) <= MAX_FRAMES
    assert fields["frames"][-1].startswith("tests/unit/config/test_logging.py:")
    assert "canary" not in json.dumps(fields)


class Rent(BaseModel):
    amount: int
    parties: dict[str, int] = {}


def raised(provoke: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind
        provoke()
    return caught.value


def test_what_a_person_wrote_is_not_quoted_by_a_validation() -> None:
    error = raised(lambda: Rent.model_validate({"amount": "canary 900", "parties": {"landlord": "canary"}}))

    fields = formatted("item %s", error, error=error, why=error)

    assert fields["error"]["message"] == "amount int_parsing, parties.landlord int_parsing"
    assert "canary" not in json.dumps(fields)


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("new row violates check constraint; DETAIL: Failing row contains (canary)."),
        ValueError("invalid literal for int(): 'canary'"),
        KeyError("canary"),
        UnicodeDecodeError("utf-8", b"canary", 0, 1, "canary"),
        urllib.error.URLError("canary"),
    ],
)
def test_of_errors_that_may_quote_people_only_class_and_frames_are_written(error: Exception) -> None:
    wrapped = Unreadable("damaged-document", "The PDF is damaged.")
    wrapped.__cause__ = error

    assert formatted("failed: %s", error, error=error)["error"]["message"] == ""
    fields = formatted("failed", error=wrapped)

    assert fields["error"]["message"] == "The PDF is damaged."
    assert fields["error"]["cause"] == type(error).__name__
    assert "canary" not in json.dumps([fields, formatted("failed: %s", error, error=error, why=error)])


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "uploads/1.pdf"),
        redis.ConnectionError("Connection refused."),
        redis.TimeoutError("Timeout reading from socket"),
        ImproperlyConfigured("MODEL_NAME is missing"),
        CommandError("no such command"),
        Unreadable("no-pages", "The PDF has no pages."),
    ],
)
def test_errors_in_words_that_we_know_are_written(error: Exception) -> None:
    assert formatted("failed", error=error)["error"]["message"] == str(error)


def test_a_message_that_is_an_exception_is_written_as_one() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, ValueError("canary"), (), None)

    assert json.loads(JsonFormatter().format(record))["message"] == "ValueError"


def test_a_wrong_format_does_not_lose_the_record() -> None:
    assert "half of" in formatted("half of %d", "two")["message"]


def test_exc_info_without_an_exception_is_no_error() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "fine", (), sys.exc_info())

    assert "error" not in json.loads(JsonFormatter().format(record))


def test_an_object_of_any_kind_can_be_logged() -> None:
    assert "object" in formatted("odd", thing=object())["thing"]
