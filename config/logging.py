"""Logs as JSON lines, one object a record:

    time      RFC 3339, UTC, milliseconds     process   `worker:4711`: the Procfile's name, the process id
    level     `info`, `warning` …             run, step, attempt   of the record's `extra`, where it has them
    logger    its dotted name                 error     class, message and last frames of an exception
    message   rendered and redacted           request_id   of the request that is being answered
                                              …         every other field of `extra`, redacted

Values of variables are never written, nor what people or models wrote (see `config/redaction.py`).
"""

import json
import logging
import logging.config
import os
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from pydantic import ValidationError

from config.redaction import clean_field, clean_text
from workflows.api.asked import now_asked

MAX_FRAMES = 8
IDS = ("run", "step", "attempt")
# Attributes that every record has; what is left over came in through `extra`.
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
# Django and servers attach whole objects; their text is in the message already.
DROPPED = frozenset({"request", "server_time", "color_message", "websocket", "data"})
# The sweeper's message comes every second; what a task did is logged by the task.
QUIET = (
    "celery.beat",
    "celery.worker.strategy",
    "celery.app.trace",
    "kombu",
    "amqp",
    "asyncio",
    "tornado.access",
    "httpx",
)
# Servers that install handlers of their own before Django is set up.
ADOPTED = ("uvicorn",)


OUR_PACKAGES = frozenset({"config", "documents", "workflows", "outbox", "streaming"})
# Of OSError and its kin: libraries derive errors from it that quote what a server answered.
SYSTEM_MODULES = frozenset({"builtins", "socket", "ssl"})
QUOTES_NOBODY = (redis.ConnectionError, redis.TimeoutError, ImproperlyConfigured, CommandError)
MAX_FAULTS = 20


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean_text(_message(record)),
            "process": f"{os.environ.get('PROCESS_NAME', 'python')}:{record.process}",
        }
        extra = {name: value for name, value in record.__dict__.items() if name not in STANDARD | DROPPED}
        ids = {name: extra.pop(name) for name in IDS if extra.get(name) is not None}
        fields |= {name: value if isinstance(value, int) else str(value) for name, value in ids.items()}
        fields |= {
            name: clean_field(name, _told(value)) for name, value in extra.items() if name not in fields
        }
        if (asked := now_asked()) is not None:
            fields.setdefault("request_id", asked.id)
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = compact_error(record.exc_info[1])
        return json.dumps(fields, ensure_ascii=False, default=str)


def _message(record: logging.LogRecord) -> str:
    """Rendered; an exception among its parts says no more than `said_by` lets it."""
    text = str(_told(record.msg))
    if not record.args:
        return text
    args = record.args
    told = (
        {name: _told(part) for name, part in args.items()}
        if isinstance(args, Mapping)
        else tuple(map(_told, args))
    )
    try:
        return text % told
    except (TypeError, ValueError, KeyError):  # a wrong format must not cost us the record
        return f"{text} {told!r}"


def _told(part: Any) -> Any:
    if not isinstance(part, BaseException):
        return part
    return ": ".join(filter(None, (type(part).__name__, said_by(part))))


def compact_error(error: BaseException) -> dict[str, Any]:
    """Class, message, the innermost frames as `file:line function`, and the cause. No values of variables."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    compact: dict[str, Any] = {
        "class": type(error).__name__,
        "message": said_by(error),
        "frames": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        compact["cause"] = ": ".join(filter(None, (type(cause).__name__, said_by(cause))))
    return compact


def said_by(error: BaseException) -> str:
    """The message of an exception, "" where it may quote what people or models wrote.

    Our own classes, and those of `QUOTES_NOBODY`, speak in words that we know. A database quotes the row that it
    refuses, a validation the value: of those, places and kinds are told, or nothing.
    """
    if isinstance(error, ValidationError):
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        places = (
            (".".join(map(str, fault["loc"])) or "whole", fault["type"]) for fault in faults[:MAX_FAULTS]
        )
        return clean_text(", ".join(f"{place} {kind}" for place, kind in places))
    ours = type(error).__module__.partition(".")[0] in OUR_PACKAGES
    system = isinstance(error, OSError) and type(error).__module__ in SYSTEM_MODULES
    return clean_text(str(error)) if ours or system or isinstance(error, QUOTES_NOBODY) else ""


def _short(filename: str) -> str:
    return filename.removeprefix(f"{settings.BASE_DIR}{os.sep}").rpartition("site-packages" + os.sep)[2]


def configure_logging() -> None:
    """Apply the settings' LOGGING, hush what repeats itself, let servers' loggers speak through the root."""
    logging.config.dictConfig(settings.LOGGING)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ADOPTED:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
