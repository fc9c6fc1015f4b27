import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.layers import InMemoryChannelLayer, channel_layers

from outbox.models import Audience
from streaming.gateway import DRAIN, RunSocket, Seen
from streaming.gateway.feeds import feeds
from streaming.gateway.reads import read
from streaming.gateway.websocket import SUBPROTOCOL
from tests.factories import make_stream
from tests.integration.streaming.gateway.conftest import DEADLINE_SECONDS, Log

pytestmark = pytest.mark.django_db(transaction=True)
SOMEBODY = SimpleNamespace(is_authenticated=True)
NOBODY = SimpleNamespace(is_authenticated=False)


def signed_in(scope: Any) -> Any:
    """Who speaks, for an Access that asks for nobody."""
    return scope["user"] if getattr(scope["user"], "is_authenticated", False) else None


class Socket(ApplicationCommunicator):
    """A client of the test. (Channels' own communicator can only be imported where daphne is installed.)"""

    def __init__(self, application: Any, *, user: Any, subprotocols: tuple[str, ...] = ()) -> None:
        scope = {"type": "websocket", "path": "/ws/v1", "subprotocols": list(subprotocols), "user": user}
        super().__init__(application, scope)

    async def connect(self) -> str | None:
        """Shakes hands; the subprotocol that was chosen."""
        await self.send_input({"type": "websocket.connect"})
        accept = await self.receive_output(DEADLINE_SECONDS)
        assert accept["type"] == "websocket.accept"
        return accept["subprotocol"]

    async def say(self, **frame: Any) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps(frame)})

    async def hear(self) -> dict[str, Any]:
        output = await self.receive_output(DEADLINE_SECONDS)
        assert output["type"] == "websocket.send", output
        return json.loads(output["text"])

    async def leave(self) -> None:
        if not self.future.done():
            await self.send_input({"type": "websocket.disconnect", "code": 1001})
            await self.wait(DEADLINE_SECONDS)

    async def until(self, type_: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The frames before the next one of this type, and that one."""
        before = []
        while (frame := await self.hear())["type"] != type_:
            before.append(frame)
        return before, frame

    async def closing(self) -> dict[str, Any]:
        """The close, after whatever else was said."""
        while (output := await self.receive_output(DEADLINE_SECONDS))["type"] != "websocket.close":
            pass
        await self.wait(DEADLINE_SECONDS)
        return output


@pytest.fixture(autouse=True)
def _private_layer() -> None:
    channel_layers.backends.clear()


@pytest.fixture
def connected(rights) -> Callable[..., Any]:
    """`async with connected() as socket`: signed in, past its hello."""

    @asynccontextmanager
    async def connect(
        user: Any = SOMEBODY, subprotocols: tuple[str, ...] = (SUBPROTOCOL,)
    ) -> AsyncIterator[Socket]:
        socket = Socket(
            RunSocket.as_asgi(access=rights, identify=signed_in), user=user, subprotocols=subprotocols
        )
        subprotocol = await socket.connect()
        if user is SOMEBODY and SUBPROTOCOL in subprotocols:
            assert subprotocol == SUBPROTOCOL
            assert (await socket.hear())["type"] == "hello"
        yield socket
        await socket.leave()

    return connect


async def test_hello_says_the_pace_and_the_limits(rights):
    socket = Socket(RunSocket.as_asgi(access=rights, identify=signed_in), user=SOMEBODY)
    assert await socket.connect() is None  # nobody asked for a subprotocol

    assert await socket.hear() == {
        "type": "hello",
        "hb_ms": 15_000,
        "limits": {"subscriptions": 20, "frame_bytes": 4_096},
    }
    await socket.leave()


async def test_a_subscription_from_its_cursor_to_the_end_and_beyond(connected, log):
    await log.write("run.created", "message")
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run), after=1)
        assert await socket.hear() == {
            "type": "subscribed",
            "run": str(log.run),
            "from": 1,
            "head": 2,
            "epoch": 1,
            "full": True,
        }
        event = await socket.hear()
        assert (event["type"], event["event"]["seq"]) == ("event", 2)
        assert await socket.hear() == {"type": "caught_up", "run": str(log.run), "seq": 2}

        await log.send("run.failed", closes=True)
        assert (await socket.hear())["event"]["type"] == "run.failed"
        assert await socket.hear() == {"type": "end", "run": str(log.run), "last_seq": 3, "state": "failed"}

        await log.send("run.resumed")
        assert (await socket.hear())["event"]["seq"] == 4


async def test_a_subscription_of_the_log_before_is_reset_and_over_and_can_be_begun_anew(
    connected, log, rights
):
    rights.seen = Seen(Audience.OPERATOR, snapshot="/api/v1/runs/this")
    await log.write("run.created", "message")
    epoch = await log.move_on()
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run), after="2")
        assert (await socket.hear())["epoch"] == epoch
        assert await socket.hear() == {
            "type": "reset",
            "run": str(log.run),
            "head": 2,
            "epoch": epoch,
            "snapshot": "/api/v1/runs/this",
        }

        await socket.say(type="subscribe", run=str(log.run), after=f"{epoch}.1")
        before, _ = await socket.until("caught_up")
        assert [frame["event"]["seq"] for frame in before if frame["type"] == "event"] == [2]


class Lossy(InMemoryChannelLayer):
    """Drops three messages in ten, doubles one, and lets one wait for the next: as the specification allows."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self._late: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        match self._dice.randrange(10):
            case 0 | 1 | 2:
                return
            case 3:
                await super().group_send(group, message)
            case 4:
                self._late.append((group, message))
                return
        await super().group_send(group, message)
        while self._late:
            await super().group_send(*self._late.pop())


@pytest.mark.parametrize("seed", range(4))
async def test_a_client_that_is_cut_again_and_again_has_the_log_in_order_and_once(
    connected, log, limits, seed
):
    limits(HEARTBEAT_SECONDS=0.2, FOLLOW_PAGE_EVENTS=5)
    dice = random.Random(seed)
    channel_layers.set("default", Lossy(dice))
    seen: list[int] = []

    async def write() -> None:
        for _ in range(40):
            await log.send(*["message"] * dice.randint(1, 3))
        await log.send("run.completed", closes=True)

    writing = asyncio.create_task(write())
    has_ended = False
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not has_ended:
            async with connected() as socket:
                await socket.say(type="subscribe", run=str(log.run), after=max(seen, default=0))
                for _ in range(dice.randint(1, 30)):
                    frame = await socket.hear()
                    if frame["type"] == "event":
                        seen.append(frame["event"]["seq"])
                    has_ended = has_ended or frame["type"] == "end"
        await writing

    assert seen == await log.seqs()


async def test_many_runs_share_a_socket_each_in_its_own_order(connected, log):
    logs = [log] + [Log((await read(make_stream)).key) for _ in range(4)]
    async with connected() as socket:
        for each in logs:
            await socket.say(type="subscribe", run=str(each.run))
            await socket.until("caught_up")
        for _ in range(5):
            for each in logs:
                await each.send("message")

        heard: dict[str, list[int]] = {str(each.run): [] for each in logs}
        while min(map(len, heard.values())) < 5:
            event = (await socket.until("event"))[1]["event"]
            heard[event["run"]].append(event["seq"])
    assert heard == {str(each.run): [1, 2, 3, 4, 5] for each in logs}


async def test_a_heartbeat_names_the_run_and_its_head(connected, log, limits):
    limits(HEARTBEAT_SECONDS=0.1)
    await log.write("message")
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run))

        assert (await socket.until("hb"))[1] == {"type": "hb", "run": str(log.run), "head": 1, "epoch": 1}


async def test_after_unsubscribing_nothing_more_is_told(connected, log):
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run))
        await socket.until("caught_up")
        await socket.say(type="unsubscribe", run=str(log.run))
        await socket.say(type="ping")
        assert await socket.hear() == {"type": "pong"}
        assert len(feeds()) == 0
        await log.send("message")

        await socket.say(type="ping")
        assert await socket.hear() == {"type": "pong"}


async def test_a_second_subscription_takes_the_place_of_the_first(connected, log):
    await log.write("message", "message")
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run), after=0)
        await socket.until("caught_up")
        await socket.say(type="subscribe", run=str(log.run), after="1")
        before, _ = await socket.until("caught_up")
        assert [frame.get("from", frame.get("event", {}).get("seq")) for frame in before] == [1, 2]

        await log.send("message")
        assert (await socket.hear())["event"]["seq"] == 3
        await socket.say(type="ping")
        assert await socket.hear() == {"type": "pong"}


async def test_who_is_not_signed_in_is_told_so_by_a_code_that_browsers_see(connected):
    for user in (NOBODY, None):
        async with connected(user) as socket:
            assert await socket.closing() == {
                "type": "websocket.close",
                "code": 4401,
                "reason": "sign in first",
            }


async def test_another_subprotocol_is_refused_and_none_is_taken_as_ours(connected, rights):
    async with connected(subprotocols=("runs.v9.json",)) as socket:
        assert (await socket.closing())["code"] == 4400


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"type":"cancel"}', '{"type":"subscribe","run":"x"}', "x" * 5_000]
)
async def test_a_frame_that_cannot_be_understood_closes_the_socket_and_is_logged(connected, text, caplog):
    caplog.set_level(logging.INFO)
    async with connected() as socket:
        await socket.send_input({"type": "websocket.receive", "text": text})

        assert (await socket.closing())["code"] == 4400
    assert [record.code for record in caplog.records if record.message == "socket closed"] == [4400]


async def test_binary_frames_are_not_understood(connected):
    async with connected() as socket:
        await socket.send_input({"type": "websocket.receive", "bytes": b"{}"})

        assert (await socket.closing())["code"] == 4400


async def test_a_foreign_run_looks_exactly_like_an_absent_one_and_leaves_the_socket_open(
    connected, log, rights, caplog
):
    caplog.set_level(logging.INFO)
    absent = str(uuid4())
    async with connected() as socket:
        await socket.say(type="subscribe", run=absent)
        of_absent = await socket.hear()
        rights.seen = None
        await socket.say(type="subscribe", run=str(log.run))
        of_foreign = await socket.hear()
        await socket.say(type="ping")
        assert await socket.hear() == {"type": "pong"}

    assert of_absent["run"] == absent
    assert of_foreign == {**of_absent, "run": str(log.run)}
    assert (of_absent["type"], of_absent["problem"]["status"]) == ("error", 404)
    assert [record.message for record in caplog.records].count("subscription refused") == 2


async def test_a_cursor_that_is_none_is_an_error_of_that_run_only(connected, log):
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run), after="yesterday")

        error = await socket.hear()
        assert (error["type"], error["run"], error["problem"]["status"]) == ("error", str(log.run), 400)


async def test_more_runs_than_allowed_close_the_socket(connected, log, limits):
    limits(WS_MAX_SUBSCRIPTIONS=1)
    other = await read(make_stream)
    async with connected() as socket:
        for _ in range(3):  # the same run again is no further one
            await socket.say(type="subscribe", run=str(log.run))
            await socket.until("caught_up")
        await socket.say(type="subscribe", run=str(other.key))

        assert (await socket.closing())["code"] == 4409


async def test_rights_that_end_end_the_subscription_and_not_the_socket(
    connected, log, rights, limits, monkeypatch
):
    limits(HEARTBEAT_SECONDS=0.1)
    # Between the two subscriptions the socket follows nothing: on a slow machine that may last a while.
    monkeypatch.setattr("streaming.gateway.websocket.SILENT_HEARTBEATS", 1_000)
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run))
        await socket.until("hb")
        rights.seen = None

        error = (await socket.until("error"))[1]
        assert (error["run"], error["problem"]["status"]) == (str(log.run), 404)
        rights.seen = Seen(Audience.PUBLIC)
        await socket.say(type="subscribe", run=str(log.run))
        assert (await socket.hear())["type"] == "subscribed"


async def test_a_socket_that_follows_nothing_and_says_nothing_is_closed(connected, limits):
    limits(HEARTBEAT_SECONDS=0.05)
    async with connected() as socket:
        assert (await socket.closing())["code"] == 4408


async def test_at_shutdown_a_socket_says_good_bye_and_when_to_come_back(connected, log):
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run))
        await socket.until("caught_up")
        DRAIN.begin()

        bye = await socket.hear()
        assert bye["type"] == "bye"
        assert 500 <= bye["retry_ms"] <= 5_000
        assert (await socket.closing())["code"] == 1012


async def test_a_client_that_leaves_takes_its_subscriptions_with_it(connected, log):
    async with connected() as socket:
        await socket.say(type="subscribe", run=str(log.run))
        await socket.until("caught_up")
        await socket.leave()

    assert len(feeds()) == 0


async def test_a_client_that_reads_nothing_holds_a_bounded_part_of_the_log_and_is_closed(log, rights, limits):
    limits(HEARTBEAT_SECONDS=0.2, FOLLOW_QUEUE_MAX_EVENTS=8)
    sent: list[dict[str, Any]] = []
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    is_stuck = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        """A peer whose window closes after the first event."""
        sent.append(message)
        if message["type"] == "websocket.send" and json.loads(message["text"])["type"] == "event":
            is_stuck.set()
            await asyncio.Event().wait()

    application = RunSocket.as_asgi(access=rights, identify=signed_in)
    await incoming.put({"type": "websocket.connect"})
    await incoming.put(
        {"type": "websocket.receive", "text": json.dumps({"type": "subscribe", "run": str(log.run)})}
    )
    await log.write("message")
    socket = asyncio.create_task(application({"type": "websocket", "user": SOMEBODY}, incoming.get, send))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await is_stuck.wait()
        (run_feed,) = feeds()._feeds.values()
        (mailbox,) = run_feed._mailboxes
        while not socket.done():
            await log.send(*["message"] * 5)
            assert len(mailbox._events) <= 8
        await socket

    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 4408)
    assert sum(message["type"] == "websocket.send" for message in sent) < 8
