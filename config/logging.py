"""Logs as JSON lines, one object a record:

    time      RFC 3339, UTC, milliseconds     process   `worker:4711`: the Procfile's name, the process id
    level     `info`, `warning` …             run, step, attempt   of the record's `extra`, where it has them
    logger    its dotted name                 error     class, message and last frames of an exception
    message   rendered and redacted           …         every other field of `extra`, redacted

Values of variables are never written, nor what people or models wrote (see `config/redaction.py`).
"""

import json
import logging
import logging.config
import os
import traceback
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from config.redaction import clean_field, clean_text

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
)
# Servers that install handlers of their own before Django is set up.
ADOPTED = ("uvicorn",)


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
        fields |= {name: clean_field(name, value) for name, value in extra.items() if name not in fields}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = compact_error(record.exc_info[1])
        return json.dumps(fields, ensure_ascii=False, default=str)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a wrong format must not cost us the record
        return f"{record.msg} {record.args!r}"


def compact_error(error: BaseException) -> dict[str, Any]:
    """Class, message, the innermost frames as `file:line function`, and the cause. No values of variables."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    compact: dict[str, Any] = {
        "class": type(error).__name__,
        "message": clean_text(str(error)),
        "frames": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        compact["cause"] = f"{type(cause).__name__}: {clean_text(str(cause))}"
    return compact


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
