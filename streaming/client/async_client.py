"""The client for asyncio: the same conversation as `client.py`, performed without threads."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from streaming.client.connection import SILENCE_SECONDS, Auth, StartOptions, answer_of, options_of, said, sent
from streaming.client.conversation import Conversation
from streaming.client.effects import Answer, Ask, Effect, Emit, Open, Pause, Program, Read, Request
from streaming.client.errors import Cut
from streaming.client.patience import PATIENT, Patience
from streaming.client.performing import emitting
from streaming.client.picture import Picture

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio; each method promises what its namesake there does. Close it, or use `async with`."""

    def __init__(
        self,
        url: str,
        *,
        auth: Auth | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        patience: Patience = PATIENT,
        trust_env: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(**options_of(url, auth=auth, trust_env=trust_env), transport=transport)
        self._silence_seconds = silence_seconds
        self._conversation = Conversation(patience=patience)

    async def start(
        self,
        workflow: str,
        input: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[StartOptions],
    ) -> dict[str, Any]:
        body = {"workflow": workflow, "input": dict(input or {}), **options}
        return await self._value(self._conversation.start(body, idempotency_key=idempotency_key))

    async def snapshot(self, run: str) -> dict[str, Any]:
        return await self._value(self._conversation.snapshot(run))

    def follow(
        self,
        run: str,
        *,
        after: int | str = 0,
        timeout_seconds: float | None = None,
        on_cut: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Who leaves early closes it: `async with aclosing(client.follow(…)) as events`."""
        return self._perform(
            self._conversation.follow(run, after=after, timeout_seconds=timeout_seconds, on_cut=on_cut)
        )

    def watch(
        self,
        run: str,
        *,
        timeout_seconds: float | None = None,
        on_cut: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[Picture, None]:
        return self._perform(self._conversation.watch(run, timeout_seconds=timeout_seconds, on_cut=on_cut))

    def items(self, run: str, *, step: str | None = None) -> AsyncGenerator[dict[str, Any], None]:
        return self._perform(self._conversation.items(run, step=step))

    async def result(self, run: str, *, timeout_seconds: float | None = None) -> Any:
        return await self._value(self._conversation.result(run, timeout_seconds=timeout_seconds))

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        request = Request(method=method, path=path, options=options)
        return await self._value(self._conversation.ask(request, repeats=False))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _value(self, program: Program[T]) -> T:
        value: T
        (value,) = [value async for value in self._perform(emitting(program))]
        return value

    async def _perform(self, program: Program[Any]) -> AsyncGenerator[Any, None]:
        answer: Any = None
        cut: Cut | None = None
        line = _Line(self._http, self._silence_seconds)
        try:
            while True:
                try:
                    effect = program.send(answer) if cut is None else program.throw(cut)
                except StopIteration:
                    return
                answer = cut = None
                if isinstance(effect, Emit):
                    yield effect.value
                    continue
                try:
                    answer = await line.do(effect)
                except httpx.RequestError as error:
                    cut = Cut(said(error))
        finally:
            await line.close()


class _Line:
    """At most one stream that is open; closed at the end, and before another one is opened."""

    def __init__(self, http: httpx.AsyncClient, silence_seconds: float) -> None:
        self._http = http
        self._silence_seconds = silence_seconds
        self._stream: httpx.Response | None = None
        self._bytes: AsyncIterator[bytes] | None = None

    async def do(self, effect: Effect) -> Answer | bytes | None:
        """Raises httpx.RequestError."""
        match effect:
            case Ask(request):
                response = await self._http.send(self._built(request))
                return answer_of(response, response.content)
            case Open(request):
                return await self._open(request)
            case Read():
                return b"" if self._bytes is None else await anext(self._bytes, b"")
            case Pause(seconds):
                await self.close()
                await asyncio.sleep(seconds)
        return None

    async def _open(self, request: Request) -> Answer:
        await self.close()
        self._stream = await self._http.send(
            self._built(request, silence_seconds=self._silence_seconds), stream=True
        )
        if not self._stream.is_success:
            return answer_of(self._stream, await self._stream.aread())
        self._bytes = self._stream.aiter_bytes()
        return answer_of(self._stream, b"")

    def _built(self, request: Request, *, silence_seconds: float | None = None) -> httpx.Request:
        return self._http.build_request(
            **sent(request, base_url=self._http.base_url, silence_seconds=silence_seconds)
        )

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
