"""Who holds a lease: a process, told apart from a later one with the same number.

A name must not change while its process lives, so nothing in it comes from the wall clock: on Linux the start is
counted in ticks since boot, and the boot has an id of its own, which also tells two machines of one name apart.
"""

import os
import socket
from functools import cache
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


@cache
def _host() -> str:
    """The host name, and on Linux its boot and process namespace: two containers may share a host name."""
    name = socket.gethostname()[:100]
    if not (BOOT_ID.exists() and PID_NAMESPACE.exists()):
        return name
    return f"{name}/{BOOT_ID.read_text()[:8]}/{PID_NAMESPACE.stat().st_ino}"


def _start(pid: int) -> str | None:
    """When the process began, as text that stays the same; None when there is no such process or it is a zombie."""
    if BOOT_ID.exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.0f}"
    except psutil.NoSuchProcess:
        return None


@cache
def name_of(pid: int) -> str:
    """`host:pid:start`, for example `web-1/9f3c21aa/4026531836:4711:881203`."""
    return f"{_host()}:{pid}:{_start(pid)}"


def this_process() -> str:
    """The name of this process; a forked child has its own."""
    return name_of(os.getpid())


def prefix_of_this_host() -> str:
    """What the names of all holders on this host begin with."""
    return f"{_host()}:"


def is_dead(holder: str) -> bool:
    """True when the holder was a process of this host that is gone. Of another host nothing is known: False."""
    host, _, pid = holder.rpartition(":")[0].rpartition(":")
    if host != _host() or not pid.isdigit():
        return False
    return _start(int(pid)) != holder.rpartition(":")[2]
