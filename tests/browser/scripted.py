"""A server that speaks the protocol from a script: the other end of a RunStream, with faults at will."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

from tests.browser.conftest import ORIGIN

RUN = "0198c2ab-7d10-7c3e-9a41-5d0b8e4f7a3c"
EVENTS = f"{ORIGIN}/api/v1/runs/{RUN}/events"
Frame = dict[str, Any]


def envelope(seq: int, type: str = "message", /, **data: Any) -> Frame:
    time = f"2026-11-22T09:31:{seq % 60:02}.000Z"
    data = {"text": "", "params": {}, **data} if type == "message" else data
    return {"v": 1, "seq": seq, "type": type, "run": RUN, "time": time, "data": data}


class ScriptedServer:
    """`log` is the database. `on_subscribe` decides what a new socket is told after `subscribed`."""

    def __init__(self, page: Page, *, log: int = 0, run: str = RUN) -> None:
        self.page, self.run = page, run
        self.log = [envelope(seq) for seq in range(1, log + 1)]
        self.epoch = 1
        self.pruned = 0
        self.is_full: bool | None = None  # None: the server does not say
        self.is_terminal = False
        self.snapshot: Frame = {}  # fields beyond those that a RunStream reads
        self.sockets: list[WebSocketRoute] = []
        self.cursors: list[Any] = []  # of each subscription and stream, in order
        self.backfills: list[int] = []
        self.sse: Callable[[Route, int], None] | None = None
        self.refuses_sockets = False
        self.unanswered = 0  # of the coming reads of snapshot and log, so many hang for ever
        self.on_subscribe: Callable[[WebSocketRoute, int], None] = self.replay
        page.route_web_socket(f"{ORIGIN.replace('http', 'ws')}/ws/v1", self._open)
        page.route(f"{ORIGIN}/api/v1/runs/**", self._answer)

    @property
    def head(self) -> int:
        return len(self.log)

    def grow(self, count: int, type: str = "message") -> list[Frame]:
        new = [envelope(self.head + more, type) for more in range(1, count + 1)]
        self.log += new
        return new

    def happen(self, type: str, /, *, step: str = "", attempt: int = 1, **data: Any) -> None:
        """Write an event and tell it to the last socket."""
        event = envelope(self.head + 1, type, **data)
        if step:
            event |= {"step": step, "attempt": attempt}
        self.log.append(event)
        self.tell(event)

    def replay(self, socket: WebSocketRoute, after: int) -> None:
        for event in self.log[after:]:
            self.send({"type": "event", "event": event}, to=socket)

    def send(self, frame: Frame, *, to: WebSocketRoute | None = None) -> None:
        (to or self.sockets[-1]).send(json.dumps(frame))

    def tell(self, *events: Frame) -> None:
        for event in events:
            self.send({"type": "event", "event": event})

    def _open(self, socket: WebSocketRoute) -> None:
        if self.refuses_sockets:
            socket.close(code=1006)
            return
        self.sockets.append(socket)
        self.send({"type": "hello", "hb_ms": 15_000, "limits": {}})
        socket.on_message(lambda text: self._hear(socket, json.loads(text)))

    def _hear(self, socket: WebSocketRoute, frame: Frame) -> None:
        if frame["type"] != "subscribe":
            return
        self.cursors.append(frame["after"])
        epoch, after = split(frame["after"])
        told = {"type": "subscribed", "run": self.run, "from": after, "head": self.head, "epoch": self.epoch}
        if self.is_full is not None:
            told["full"] = self.is_full
        self.send(told, to=socket)
        if self.goes_on_from(epoch, after):
            self.on_subscribe(socket, after)
        else:
            self.send(self.reset(), to=socket)

    def goes_on_from(self, epoch: int, after: int) -> bool:
        # Not measured by the head: a page that is painted from a database may be ahead of what the test has told.
        return after == 0 or (epoch == self.epoch and after >= self.pruned)

    def reset(self) -> Frame:
        address = f"/api/v1/runs/{self.run}"
        return {"type": "reset", "run": self.run, "head": self.head, "epoch": self.epoch, "snapshot": address}

    def restore(self, *, lost: int) -> None:
        """The database is as it was `lost` events ago, in a new epoch; nobody was told yet."""
        del self.log[-lost:]
        self.epoch += 1_763_800_000

    def swallow_sockets(self) -> None:
        """As some proxies do: a handshake is neither answered nor refused."""
        self.page.evaluate(
            "globalThis.WebSocket = class { constructor() { swallowed += 1; } close() {} };"
            "globalThis.swallowed = 0;"
        )

    def _answer(self, route: Route) -> None:
        url, accept = route.request.url, route.request.headers.get("accept", "")
        if "json" in accept and self.unanswered:
            self.unanswered -= 1
            return
        if not url.startswith(EVENTS):
            run = {"id": RUN, "seq": self.head, "epoch": self.epoch, "is_terminal": self.is_terminal}
            route.fulfill(json={**self.snapshot, **run})
            return
        cursor = url.rpartition("=")[2]
        epoch, after = split(cursor)
        if "event-stream" in accept and self.sse is not None:
            self.cursors.append(after if epoch == 1 else cursor)
            self.sse(route, after)
        elif not self.goes_on_from(epoch, after):
            route.fulfill(status=410, json={"code": "cursor-expired", "status": 410})
        else:
            self.backfills.append(after)
            page = self.log[after : after + 50]
            following = page[-1]["seq"] if after + 50 < self.head else None
            events = [event for event in page if event]
            route.fulfill(json={"events": events, "next": following, "epoch": self.epoch})


def split(cursor: object) -> tuple[int, int]:
    """Epoch and number."""
    epoch, _, seq = str(cursor).rpartition(".")
    return int(epoch or 1), int(seq)


def follow(page: Page, *, after: int | None = 0, **options: Any) -> None:
    """Start a RunStream on the page: applied numbers in `seen`, freshness in `said`, resets in `resets`."""
    limits = {"backoffBaseMs": 5, "backoffCapMs": 20, "graceMs": 5_000, **options.pop("limits", {})}
    page.evaluate(
        """(options) => {
          Object.assign(globalThis, { seen: [], said: [], resets: 0 });
          globalThis.stream = new longhaul.RunStream(options);
          stream.addEventListener("event", ({ detail }) => seen.push(detail.seq));
          stream.addEventListener("reset", () => { resets += 1; seen.length = 0; });
          stream.addEventListener("freshness", ({ detail }) => said.push(detail.reason ?? detail.state));
          stream.start();
        }""",
        {"url": f"/api/v1/runs/{RUN}", "run": RUN, "after": after, "limits": limits, **options},
    )


def wait_until(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=60_000)


def seen(page: Page) -> list[int]:
    return list(page.evaluate("seen"))
