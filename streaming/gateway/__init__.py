"""From Redis to the client: following a run's log, and the framings of it."""

from streaming.gateway.access import Access, PooledAccess, Seen
from streaming.gateway.drain import DRAIN
from streaming.gateway.errors import Refused, cursor_expired
from streaming.gateway.http import events_response, next_link
from streaming.gateway.log import events_page
from streaming.gateway.polling import wait_for_run, wait_seconds
from streaming.gateway.reads import read
from streaming.gateway.send_limit import SendLimit
from streaming.gateway.websocket import RunSocket

__all__ = [
    "DRAIN",
    "Access",
    "PooledAccess",
    "Refused",
    "RunSocket",
    "Seen",
    "SendLimit",
    "cursor_expired",
    "events_page",
    "events_response",
    "next_link",
    "read",
    "wait_for_run",
    "wait_seconds",
]
