"""Database reads of streams: on a few threads of their own, and no connection outlives its read.

Sockets have no thread of their own in Channels (all would share one), and a request's thread keeps its connection
for as long as the answer lasts, which for a stream is hours.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections

from streaming.conf import conf

P = ParamSpec("P")
T = TypeVar("T")


async def read(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that reads the database on one of `read_threads` threads; further ones wait in line."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(
        _threads(), partial(_with_fresh_connection, partial(function, *args, **kwargs))
    )


async def release_request_connection() -> None:
    """Close what a request's own thread used to authenticate, before its answer becomes a stream."""
    await sync_to_async(connections.close_all, thread_sensitive=True)()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(conf().read_threads, thread_name_prefix="longhaul-read")


def _with_fresh_connection(function: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()
