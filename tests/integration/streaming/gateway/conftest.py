"""Logs that grow under the test's hand, and readers that wait for what must come."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from outbox.append import Message, append
from outbox.models import Audience, Entry, Stream
from streaming import hints
from streaming.gateway.access import Seen
from streaming.gateway.drain import DRAIN
from streaming.gateway.feeds import feeds
from streaming.gateway.follow import follow
from streaming.gateway.followed import Event, Followed
from streaming.gateway.log import read_page
from streaming.gateway.opening import open_run
from streaming.gateway.reads import read
from tests.factories import NOW, make_stream
from tests.restoring import begin_epoch, prune, restore

DEADLINE_SECONDS = 20


class Log:
    """One run's log."""

    def __init__(self, run: UUID) -> None:
        self.run = run

    async def write(
        self, *types: str, audience: Audience = Audience.PUBLIC, closes: bool = False, size: int = 1
    ) -> int:
        """Commit one event of each type; returns the head."""
        messages = [Message(type=name, payload={"text": "x" * size}, audience=audience) for name in types]
        return await read(self._append, messages, closes=closes)

    def _append(self, messages: list[Message], *, closes: bool) -> int:
        with transaction.atomic():
            return append(self.run, messages, now=NOW, closes=closes)

    async def tell(self, first: int, last: int) -> None:
        """Send the hint that the fan-out would send for these events."""
        message = await self.hint(first, last)
        await get_channel_layer().group_send(hints.group_of(self.run), message)

    async def hint(self, first: int, last: int) -> dict[str, Any]:
        page = await read(read_page, self.run, after=first - 1, limit=last - first + 1)
        return hints.events_message(self.run, page.epoch or 1, page.events, max_bytes=65_536)

    async def send(self, *types: str, **options: Any) -> int:
        """Commit, and tell of it."""
        head = await self.write(*types, **options)
        await self.tell(head - len(types) + 1, head)
        return head

    async def seqs(self) -> list[int]:
        return await read(lambda: list(Entry.objects.filter(stream=self.run).values_list("seq", flat=True)))

    async def lose(self, count: int, *, is_noticed: bool = False) -> int:
        """The database is restored to the moment before the last `count` events. Returns the epoch."""

        @transaction.atomic
        def lose() -> int:
            restore(self.run, lost=count)
            return begin_epoch(self.run) if is_noticed else Stream.objects.get(key=self.run).epoch

        return await read(lose)

    async def move_on(self) -> int:
        """Somebody has noticed: a new epoch, and the hint of its first publication. Returns the epoch."""
        epoch = await read(begin_epoch, self.run)
        head = max(await self.seqs())
        await self.tell(head, head)
        return epoch

    async def prune(self, up_to: int) -> None:
        await read(prune, self.run, up_to=up_to)

    async def change(self, **fields: Any) -> None:
        await read(lambda: Stream.objects.filter(key=self.run).update(**fields))


class Rights:
    """An Access whose answer the test turns; counts how often it was asked."""

    def __init__(self) -> None:
        self.seen: Seen | None = Seen(Audience.OPERATOR)
        self.asked = 0

    async def look(self, principal: Any, run_id: UUID) -> Seen | None:
        self.asked += 1
        return self.seen


class Follower:
    """The items of one follow(), read with a deadline."""

    def __init__(self, items: AsyncGenerator[Followed, None]) -> None:
        self._items = items

    async def next(self) -> Followed:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await anext(self._items)

    async def until(self, kind: type | tuple[type, ...]) -> tuple[list[Followed], Any]:
        """What came before the next item of `kind`, and that item."""
        before: list[Followed] = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not isinstance(item := await self.next(), kind):
                before.append(item)
        return before, item

    async def events(self, *, up_to: int) -> list[int]:
        """Numbers of events as they come, until `up_to` has come."""
        seqs: list[int] = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not seqs or seqs[-1] < up_to:
                item = await self.next()
                if isinstance(item, Event):
                    seqs.append(item.seq)
        return seqs

    async def ends(self) -> bool:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return [item async for item in self._items] == []


@pytest.fixture
def log(transactional_db: None) -> Log:
    return Log(make_stream().key)


@pytest.fixture
def rights() -> Rights:
    return Rights()


@pytest.fixture
def following(rights: Rights) -> Callable[..., Any]:
    """`async with following(log, after=3) as follower`"""

    @asynccontextmanager
    async def start(log: Log, *, after: int | str = 0, **options: Any) -> AsyncIterator[Follower]:
        opening = await open_run(log.run, principal=None, access=rights, cursors=[str(after)])
        async with aclosing(follow(opening, **options)) as items:
            yield Follower(items)

    return start


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    """`limits(HEARTBEAT_SECONDS=0.2)`"""

    def change(**values: Any) -> None:
        settings.LONGHAUL = {**settings.LONGHAUL, **{name: str(value) for name, value in values.items()}}

    return change


@pytest.fixture(autouse=True)
def _nobody_drains() -> Iterator[None]:
    yield
    DRAIN.has_begun = False


@pytest.fixture(autouse=True)
async def _feeds_are_closed_with_their_last_follower() -> AsyncIterator[None]:
    yield
    assert len(feeds()) == 0
    async with asyncio.timeout(DEADLINE_SECONDS):
        await feeds().closed()
