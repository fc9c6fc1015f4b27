"""TCP ports: is one free, find one, or say clearly that it is taken."""

import errno
import socket


class PortError(Exception):
    """Nothing of ours can listen there. The message says why, and names the setting that moves it."""


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Raises OSError if `host` is none of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT after a restart is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
                raise
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def free_port_after(port: int, host: str = "127.0.0.1") -> int:
    """The next free port above `port`, easy to remember; any free one if the next hundred are taken."""
    above = range(port + 1, min(port + 100, 65_536))
    return next((candidate for candidate in above if is_free(host, candidate)), 0) or free_port(host)


def require_free(host: str, port: int, *, setting: str) -> None:
    """Raises PortError, whose message says which `setting` chooses another port."""
    try:
        free = is_free(host, port)
    except OSError as error:
        raise PortError(
            f"Nothing can listen on {host}: {error.strerror}. Look at HOST and FLOWER_HOST."
        ) from None
    if not free:
        raise PortError(
            f"Port {port} is taken by another program. Choose another one with {setting}, "
            f"for example: make up {setting}={free_port_after(port)}"
        )
