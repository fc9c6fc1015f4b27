"""Ending a child process together with its own children."""

import os
import signal
import subprocess


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether the process is dead. It stays a zombie, so its id cannot pass to a stranger before `reap`."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody else has reaped it
        return True


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL for all of the process group that an unreaped `process` leads, or led."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # macOS answers "not permitted" for a group of zombies


def reap(process: "subprocess.Popen[bytes]") -> int:
    """End the process and what is left of its group; returns its exit status (negative: the signal)."""
    if process.returncode is None:
        kill_group(process)
    return process.wait()


def in_words(status: int) -> str:
    """An exit status as a verb: `was killed by SIGKILL`, or `ended with status 1`."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
