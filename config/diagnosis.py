"""Is each part that Longhaul leans on there, now, from here? One question each, answered with a sentence."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config.redaction import clean_text
from documents.conf import conf as document_conf
from outbox.clock import CLOCK
from outbox.models import Delivery, Webhook
from outbox.redis import client
from outbox.report import backlog_text, read_report
from streaming.parsers import skipping

PROGRAM_SECONDS = 10.0
BROKER_SECONDS = 3
LATE = timedelta(minutes=2)
EMBEDDED = " (the embedded server runs while `make up` does; for one of your own look at {})"
WAYS_OUT = {"redis": EMBEDDED.format("REDIS_URL"), "broker": EMBEDDED.format("BROKER_URL")}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`is_fatal`: Longhaul cannot work without it; otherwise it does less, as the text says."""

    question: str
    is_well: bool
    text: str
    is_fatal: bool = True


def diagnose() -> Iterator[Answer]:
    questions: dict[str, tuple[Callable[[], str], bool]] = {
        "settings": (_settings, True),
        "database": (_database, True),
        "migrations": (_migrations, True),
        "redis": (_redis, True),
        "broker": (_broker, True),
        "outbox": (_outbox, False),
        "json parser": (_json_parser, False),
        "tesseract": (_tesseract, False),
        "webhooks": (_webhooks, False),
    }
    for question, (ask, is_fatal) in questions.items():
        try:
            yield Answer(question=question, is_well=True, text=ask(), is_fatal=is_fatal)
        except Exception as error:  # whatever it is, it is the diagnosis
            text = clean_text(str(error)).strip() or type(error).__name__
            yield Answer(
                question=question, is_well=False, text=text + WAYS_OUT.get(question, ""), is_fatal=is_fatal
            )


def _settings() -> str:
    errors = [message for message in run_checks() if message.level >= ERROR]
    if errors:
        raise ValueError("; ".join(f"{error.msg} {error.hint or ''}".strip() for error in errors))
    return "no contradictions"


def _database() -> str:
    if connection.vendor == "sqlite" and not settings.DATA_DIR.exists():
        raise DatabaseError(f"there is no data folder {settings.DATA_DIR} yet: `make up` makes it")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return f"{connection.vendor} answers"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise DatabaseError(f"{len(missing)} not applied: run .venv/bin/python manage.py migrate")
    return "all applied"


def _redis() -> str:
    about: Any = client().info("server")
    name, version = about.get("server_name", "redis"), about.get("valkey_version") or about["redis_version"]
    return f"{name} {version} answers"


def _broker() -> str:
    with current_app.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
        return f"{broker.transport_cls} answers"


def _outbox() -> str:
    report = read_report(client(), clock=CLOCK)
    if troubles := report.troubles():
        raise RuntimeError("; ".join(troubles) + " (more: .venv/bin/python manage.py outbox status)")
    assert report.database is not None
    return backlog_text(report.database.backlog, now=report.database.taken_at)


def _json_parser() -> str:
    if fault := skipping.fault_of_backend():
        raise RuntimeError(f"{fault}: install its wheel")
    return "ijson on yajl2_c"


def _tesseract() -> str:
    command = document_conf().tesseract_command
    if shutil.which(command) is None:
        raise FileNotFoundError(
            f"{command} is missing: scanned pages are left out, with a warning (apt: tesseract-ocr)"
        )
    answer = subprocess.run(
        [command, "--version"], capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=True
    )
    return (answer.stdout or answer.stderr).splitlines()[0]


def _webhooks() -> str:
    if off := list(Webhook.objects.filter(disabled_at__isnull=False)):
        raise RuntimeError(f"switched off after failures: {', '.join(map(str, off))} (the admin says why)")
    late = Delivery.objects.filter(webhook__is_active=True, due_at__lt=CLOCK.now() - LATE).count()
    if late:
        raise RuntimeError(f"{late} deliveries should have been tried minutes ago: does `webhooks` run?")
    return f"{Webhook.objects.filter(is_active=True).count()} active"
