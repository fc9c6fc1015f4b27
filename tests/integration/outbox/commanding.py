"""What the tests of `manage.py outbox` share."""

from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from outbox.append import append
from outbox.models import Stream
from tests.factories import messages


def outbox(*words: str) -> tuple[int, str]:
    """Exit status, and what it printed."""
    out = StringIO()
    try:
        call_command("outbox", *words, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def write(stream: Stream, count: int = 3, *, ago: float = 0) -> Stream:
    with transaction.atomic():
        append(stream.key, messages(count), now=timezone.now() - timedelta(seconds=ago))
    stream.refresh_from_db()
    return stream
