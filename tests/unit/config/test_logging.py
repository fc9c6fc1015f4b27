import json
import logging
import sys
from typing import Any

import pytest

from config.logging import MAX_FRAMES, JsonFormatter


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
    assert fields["cause"].startswith("ValueError: no page")
    assert len(fields["frames"]) <= MAX_FRAMES
    assert fields["frames"][-1].startswith("tests/unit/config/test_logging.py:")
    assert "canary" not in json.dumps(fields)


def test_a_wrong_format_does_not_lose_the_record() -> None:
    assert "half of" in formatted("half of %d", "two")["message"]


def test_exc_info_without_an_exception_is_no_error() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "fine", (), sys.exc_info())

    assert "error" not in json.loads(JsonFormatter().format(record))


def test_an_object_of_any_kind_can_be_logged() -> None:
    assert "object" in formatted("odd", thing=object())["thing"]
