import asyncio

import pytest

from streaming.gateway.shared import SharedRead


class Database:
    """Counts reads; each ends when it is let go."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        await self.gate.wait()
        return number


async def test_all_who_ask_at_the_same_time_share_one_read():
    database = Database()
    shared = SharedRead(database.read)
    readers = [asyncio.create_task(shared.get(since=0)) for _ in range(100)]
    await asyncio.sleep(0)
    database.gate.set()

    answers = await asyncio.gather(*readers)

    assert {answer.value for answer in answers} == {1}
    assert database.reads == 1


async def test_a_read_that_began_before_the_news_is_not_good_enough():
    database = Database()
    shared = SharedRead(database.read)
    early = asyncio.create_task(shared.get(since=0))
    await asyncio.sleep(0)
    late = asyncio.create_task(shared.get(since=asyncio.get_running_loop().time()))
    await asyncio.sleep(0)
    database.gate.set()

    assert ((await early).value, (await late).value) == (1, 2)


async def test_an_answer_that_is_fresh_enough_is_given_again():
    database = Database()
    database.gate.set()
    shared = SharedRead(database.read)

    first = await shared.get(since=0)

    assert await shared.get(since=first.started_at) is first
    assert (await shared.get(since=first.done_at + 0.001)).value == 2


async def test_a_reader_that_leaves_does_not_take_the_answer_from_the_others():
    database = Database()
    shared = SharedRead(database.read)
    leaving, staying = (asyncio.create_task(shared.get(since=0)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    database.gate.set()

    assert (await staying).value == 1
    assert database.reads == 1


async def test_a_read_that_fails_fails_for_those_who_waited_and_not_for_the_next():
    outcomes = [OSError("away"), 7]

    async def read() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    shared = SharedRead(read)
    with pytest.raises(OSError, match="away"):
        await shared.get(since=0)
    assert (await shared.get(since=0)).value == 7
