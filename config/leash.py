"""Becomes a command that the kernel kills when the thread that started it ends (on Linux).

Run as a script, `leash.py PARENT_PID COMMAND …`, so that a killed launcher leaves nobody behind. Not a
`preexec_fn`: between fork and exec of a threaded program nothing of Python's may safely run.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def leashed(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command line that runs `argv` on a leash held by this process. The process id does not change."""
    return (sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *argv)


def main(parent: int, argv: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died in between, and nobody else will send the signal
            sys.exit(1)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
