"""Who holds a lease: a process, told apart from a later one with the same number."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil


@cache
def _host() -> str:
    """The host and, on Linux, its process namespace: two containers may share a host name but not their pids."""
    namespace = Path("/proc/self/ns/pid")
    suffix = f"/{namespace.stat().st_ino}" if namespace.exists() else ""
    return socket.gethostname()[:100] + suffix


@cache
def _me(pid: int) -> str:
    return f"{_host()}:{pid}:{psutil.Process(pid).create_time():.2f}"


def this_process() -> str:
    """`host:pid:start`, for example `web-1/4026531836:4711:1795449064.51`. A forked child has its own."""
    return _me(os.getpid())


def prefix_of_this_host() -> str:
    """What the names of all holders on this host begin with."""
    return f"{_host()}:"


def is_dead(holder: str) -> bool:
    """True when the holder was a process of this host that is gone. Of another host nothing is known: False."""
    host, _, rest = holder.rpartition(":")[0].rpartition(":")
    started = holder.rpartition(":")[2]
    if host != _host() or not rest.isdigit():
        return False
    try:
        process = psutil.Process(int(rest))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return f"{process.create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
