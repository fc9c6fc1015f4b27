"""A TCP proxy that breaks what goes through it: at random, by a seed."""

import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator

CHUNK_BYTES = 512
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST


class CuttingProxy:
    """Each connection has a fate: refused, its request lost, its answer lost, or its answers cut at some byte, by a
    close, a reset, or a silence that never ends. `fates`: how often each came.
    """

    FATES = {
        "whole": 2,
        "refused": 1,
        "request lost": 1,
        "answer lost": 2,
        "closed": 6,
        "reset": 6,
        "silent": 1,
    }

    def __init__(self, upstream_port: int, *, seed: int, longest_bytes: int) -> None:
        self._upstream_port = upstream_port
        self._roll = random.Random(seed)
        self._longest_bytes = longest_bytes
        self._lines: set[socket.socket] = set()
        self.fates: Counter[str] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> "CuttingProxy":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for line in list(self._lines):
            _close(line)
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            (fate,) = self._roll.choices(list(self.FATES), weights=list(self.FATES.values()))
            self.fates[fate] += 1
            left = self._roll.randrange(self._longest_bytes)
            self._threads.append(threading.Thread(target=self._serve, args=(client, fate, left)))
            self._threads[-1].start()

    def _serve(self, client: socket.socket, fate: str, left: int) -> None:
        with self._held(client), contextlib.suppress(OSError):
            if fate == "refused":
                return
            with self._held(socket.create_connection(("127.0.0.1", self._upstream_port))) as server:
                asking = threading.Thread(target=_pump, args=(client, server, fate == "request lost"))
                asking.start()
                self._answer(server, client, fate, left)
                _close(server)
                _close(client)
                asking.join()

    def _answer(self, server: socket.socket, client: socket.socket, fate: str, left: int) -> None:
        while data := server.recv(CHUNK_BYTES):
            if fate == "answer lost":
                return
            client.sendall(data[:left])
            left -= len(data)
            if left > 0:
                continue
            if fate == "silent":
                client.settimeout(60)
                while server.recv(CHUNK_BYTES):  # until either goes away
                    continue
            if fate == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return

    @contextlib.contextmanager
    def _held(self, line: socket.socket) -> Iterator[socket.socket]:
        self._lines.add(line)
        try:
            yield line
        finally:
            self._lines.discard(line)
            line.close()


def _pump(client: socket.socket, server: socket.socket, is_lost: bool) -> None:
    """What the client asks; at its end the server's line is closed too, which ends the answer."""
    with contextlib.suppress(OSError):
        while data := client.recv(CHUNK_BYTES):
            if is_lost:
                break
            server.sendall(data)
    _close(server)


def _close(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
