"""Connections of webhooks: the address that was checked is the address that is connected to, within one deadline."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore2 as httpcore

from outbox.webhooks.addresses import Network, require_allowed

MAX_ADDRESSES = 4  # of one host that are tried
# Written at a time: whoever takes a whole body in sips would be given the time-out for each of them.
WRITE_BYTES = 16_384

# Host and port to addresses. May raise OSError or UnicodeError.
Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """Asks the system, which takes as long as its configuration says: no deadline of ours reaches there."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Deadline:
    """`left()` is what an operation may still take. Raises ReadTimeout once nothing is left."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return left if at_most is None else min(left, at_most)


class CheckedBackend(httpcore.NetworkBackend):
    """Resolves once, judges every address, connects to one of those: a name that changes meanwhile changes nothing.

    TLS and the Host header stay with the name. Raises AddressRefused, and httpcore's ConnectError or ConnectTimeout.
    """

    def __init__(self, *, resolve: Resolve, allowed: Sequence[Network], deadline: Deadline) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the host {host} is not found") from error
        require_allowed(addresses, allowed=self._allowed)
        failed: Exception = httpcore.ConnectError("no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self._deadline.left(timeout), local_address, socket_options
                )
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every operation ends with the deadline: a byte a second would fit into each time-out alone."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self._stream.write(buffer[start : start + WRITE_BYTES], self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
