"""Performs a conversation without a socket: a scripted server, a line that breaks where told, a clock by hand."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from streaming.client.conversation import Conversation
from streaming.client.effects import Answer, Ask, Emit, Open, Pause, Program, Read, Request
from streaming.client.errors import Cut
from streaming.client.patience import Patience

END = {"type": "end", "last_seq": 6, "state": "completed"}
LOG = [{"seq": seq, "type": "message", "data": {"text": f"né {seq}"}} for seq in range(1, 6)]
LOG.append({"seq": 6, "type": "run.completed", "data": {}})

# What a request comes to: an answer with its body in pieces, and a Cut among them where the line breaks.
Reply = tuple[Answer, list[bytes | Cut]] | Cut


def lines(*bodies: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(body, ensure_ascii=False).encode() + b"\n" for body in bodies)


def stream(*pieces: bytes | Cut) -> Reply:
    return Answer(status=200), list(pieces)


def problem(status: int, code: str, headers: dict[str, str] | None = None, **extras: Any) -> Reply:
    body = json.dumps({"code": code, "detail": f"{code} it is.", **extras}).encode()
    return Answer(status=status, headers=headers or {}, body=body), []


def answer(body: Any, status: int = 200) -> Reply:
    return Answer(status=status, body=json.dumps(body).encode()), []


class Stage:
    """`serve`: request to reply. `asked`: the requests, `waits`: the pauses in seconds; `now` moves with them."""

    def __init__(self, serve: Callable[[Request], Reply], *, roll: float = 0.5, **patience: float) -> None:
        self._serve = serve
        self.now = 0.0
        self.asked: list[Request] = []
        self.waits: list[float] = []
        self.conversation = Conversation(
            patience=Patience(**patience), clock=lambda: self.now, roll=lambda: roll
        )

    @property
    def cursors(self) -> list[Any]:
        return [request.query["after"] for request in self.asked if "follow" in request.query]

    def perform(self, program: Program[Any]) -> list[Any]:
        return list(self.performed(program))

    def performed(self, program: Program[Any]) -> Iterator[Any]:
        outcome: Any = None
        pieces: list[bytes | Cut] = []
        while True:
            try:
                effect = program.throw(outcome) if isinstance(outcome, Cut) else program.send(outcome)
            except StopIteration:
                return
            outcome = None
            match effect:
                case Emit(value):
                    yield value
                case Pause(seconds):
                    self.waits.append(seconds)
                    self.now += seconds
                case Read():
                    outcome = pieces.pop(0) if pieces else b""
                case Ask(request) | Open(request):
                    self.asked.append(request)
                    reply = self._serve(request)
                    outcome, pieces = (reply, []) if isinstance(reply, Cut) else (reply[0], list(reply[1]))
