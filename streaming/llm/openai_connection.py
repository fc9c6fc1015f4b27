"""The connection of one request, which another thread may end."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import openai


class Connection:
    """Closing a connection does not wake the thread that reads from it; shutting its socket down does.

    The socket is known from the moment it is connected, since a server may be silent before its first header too.
    Until then the time-out of connecting holds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def client(self) -> openai.DefaultHttpxClient:
        """For one request."""
        return openai.DefaultHttpxClient(event_hooks={"request": [self._watch]})

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            self._shut()

    def close(self) -> None:
        """Before its owner closes the socket, whose number may be another's in the next moment."""
        with self._lock:
            self._socket = None

    def _watch(self, request: Any) -> None:
        request.extensions["trace"] = self._hear

    def _hear(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            return
        line = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._socket = line if isinstance(line, socket.socket) else None
            if self._is_cut:  # while it connected
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # The plain method: that of a TLS socket drops its session, which the reader is still using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
