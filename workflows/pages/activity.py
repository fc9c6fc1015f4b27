"""What a run said in plain words: its latest messages, and every warning among them.

A message with a parameter named `warning` is one: `ctx.say("{warning}", warning="Page 3 could not be read.")`.
"""

from uuid import UUID

from outbox import wire
from outbox.models import Audience, Entry
from workflows.pages.conf import conf

Said = dict[str, str]


def said_so_far(run_id: UUID, audience: Audience = Audience.MEMBER) -> dict[str, list[Said]]:
    """`activity` (the latest messages) and `warnings`, each oldest first: {time, clock, text}."""
    audiences = Audience.seen_by(audience)
    spoken = Entry.objects.filter(stream_id=run_id, type="message", audience__in=audiences).order_by("-seq")
    warnings = spoken.filter(payload__params__has_key="warning")[: conf().page_warnings_max]
    latest = spoken[: conf().page_messages_max]
    return {
        "activity": [said(entry) for entry in reversed(latest) if not is_warning(entry)],
        "warnings": [said(entry) for entry in reversed(warnings)],
    }


def is_warning(entry: Entry) -> bool:
    return "warning" in entry.payload["params"]


def said(entry: Entry) -> Said:
    time = wire.timestamp(entry.created_at)
    return {"time": time, "clock": time[11:19], "text": entry.payload["text"]}
