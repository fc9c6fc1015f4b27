"""Database reads of streams: on a few threads of their own, and no connection outlives its read.

Sockets have no thread of their own in Channels (all would share one). A request has one, which Django starts for its
middleware and keeps, with its connection, for as long as the answer lasts: for a stream, that is hours. So streams
read here, and give the request's own thread back before they begin.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, sync_to_async
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


async def release_request_thread() -> None:
    """Close what a request's own thread opened, and end the thread, before its answer becomes a stream.

    Django ends its thread with the answer only. If it needs one again to close the answer, it gets a new one.
    """
    await sync_to_async(connections.close_all, thread_sensitive=True)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is not None:
        executor = SyncToAsync.context_to_thread_executor.pop(context, None)
        if executor is not None:
            executor.shutdown(wait=False)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(conf().read_threads, thread_name_prefix="longhaul-read")


def _with_fresh_connection(function: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()
