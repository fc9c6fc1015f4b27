"""The Python client of Longhaul: needs httpx, and nothing of the server: neither Django nor Redis.

with Client("https://longhaul.example.com", auth="lh_…") as client:
    run = client.start("document-analysis", {"document": "…"})
    for event in client.follow(run["id"]):
        print(event["type"])
    print(client.result(run["id"]))
"""

from streaming.client.async_client import AsyncClient
from streaming.client.client import Client
from streaming.client.conversation import cursor_of
from streaming.client.errors import (
    ClientError,
    LogIncomplete,
    LogReset,
    Refused,
    RunEnded,
    TimedOut,
    Unreachable,
)
from streaming.client.patience import Patience
from streaming.client.picture import Picture

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "LogIncomplete",
    "LogReset",
    "Patience",
    "Picture",
    "Refused",
    "RunEnded",
    "TimedOut",
    "Unreachable",
    "cursor_of",
]
