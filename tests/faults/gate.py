"""A gate on the way of a process to its database or to Redis: it cuts, freezes, swallows, slows, and loses answers."""

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
    """A TCP port in front of a server: PostgreSQL's socket, or a port of this machine.

    Its loop has a thread of its own; any thread may call any method.
    """

    def __init__(self, target: Path | int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._pairs: set[Pair] = set()
        self.refuses = False
        self.swallows = False
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

    def swallow(self) -> None:
        """Every connection is dead for good, though neither side is told: half-open. New ones too, until `heal()`."""
        self.swallows = True
        self._call(lambda: [setattr(pair, "is_dead", True) for pair in self._pairs])

    def lose_next(self, statement: bytes) -> None:
        """The next message with this in it arrives and is done; answer and connection are lost, as `lost` tells."""
        self.lost.clear()
        self.loses = statement

    def heal(self) -> None:
        self.refuses, self.swallows, self.loses, self.delay_seconds = False, False, None, 0.0
        self.thaw()

    def _call(self, action: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(action)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = Pair(writer, is_dead=self.swallows)
        self._pairs.add(pair)
        try:
            if self.refuses:
                pair.reset()
                return
            await self.passing()
            back_reader, back_writer = await self._connect()
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

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def passing(self) -> None:
        await self._open.wait()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)

    async def _pump(
        self, pair: "Pair", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self.passing()
            if pair.is_dead:
                continue
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

    def __init__(self, front: asyncio.StreamWriter, *, is_dead: bool) -> None:
        self.front = front
        self.is_dead = is_dead
        self.back: asyncio.StreamWriter | None = None
        self.loses_answer = False

    def reset(self) -> None:
        with contextlib.suppress(OSError):
            self.front.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.front.transport.abort()
        if self.back is not None:
            self.back.transport.abort()
