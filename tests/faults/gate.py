"""A gate on the way of one process to its database: it cuts, freezes, slows, and loses answers."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 65_536
# An abort that the other side sees as "connection reset", not as an orderly end.
RESET = struct.pack("ii", 1, 0)


class Gate:
    """A TCP port in front of PostgreSQL's socket. Its loop has a thread of its own; any thread may call any method."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._pairs: set[Pair] = set()
        self.refuses = False
        self.delay_seconds = 0.0
        self.loses: bytes | None = None
        self.lost = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._work, name="gate", daemon=True).start()

    def cut(self) -> None:
        """Reset every connection there is."""
        self._call(lambda: [pair.reset() for pair in list(self._pairs)])

    def freeze(self) -> None:
        """No byte passes in either direction; nothing is closed: a partition."""
        self._call(self._open.clear)

    def thaw(self) -> None:
        self._call(self._open.set)

    def lose_next(self, statement: bytes) -> None:
        """The next message with this in it arrives and is done; answer and connection are lost, as `lost` tells."""
        self.lost.clear()
        self.loses = statement

    def heal(self) -> None:
        self.refuses, self.loses, self.delay_seconds = False, None, 0.0
        self.thaw()

    def _call(self, action: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(action)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = Pair(writer)
        self._pairs.add(pair)
        try:
            if self.refuses:
                pair.reset()
                return
            await self.passing()
            back_reader, back_writer = await asyncio.open_unix_connection(str(self._target))
            pair.back = back_writer
            await asyncio.gather(
                self._pump(pair, reader, back_writer, to_server=True),
                self._pump(pair, back_reader, writer, to_server=False),
            )
        except (OSError, EOFError):
            pass
        finally:
            pair.reset()
            self._pairs.discard(pair)

    async def passing(self) -> None:
        await self._open.wait()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)

    async def _pump(
        self, pair: "Pair", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self.passing()
            # A farewell ("X") gets no answer that could be lost.
            if to_server and self.loses is not None and self.loses in data and not data.startswith(b"X"):
                self.loses, pair.loses_answer = None, True
            if not to_server and pair.loses_answer:
                self.lost.set()
                raise EOFError
            writer.write(data)
            await writer.drain()
        raise EOFError


class Pair:
    """One connection: the client's side and the server's."""

    def __init__(self, front: asyncio.StreamWriter) -> None:
        self.front = front
        self.back: asyncio.StreamWriter | None = None
        self.loses_answer = False

    def reset(self) -> None:
        with contextlib.suppress(OSError):
            self.front.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.front.transport.abort()
        if self.back is not None:
            self.back.transport.abort()
