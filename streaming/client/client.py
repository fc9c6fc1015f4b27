"""The client for programs with threads. `async_client.py` is the one for asyncio: what they say is one core."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
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


class Client:
    """Starts runs, follows them and fetches what came of them, however often the line is cut.

    url: of the server. auth: a token, or a name with its password. silence_seconds: a stream that says nothing for
    so long, heartbeats included, is taken for cut. Threads may share one client; close it, or use it with `with`.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: Auth | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        patience: Patience = PATIENT,
        trust_env: bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """trust_env: whether proxies of the environment count. transport: httpx's. Raises ValueError."""
        self.url = url.rstrip("/")
        self._http = httpx.Client(**options_of(url, auth=auth, trust_env=trust_env), transport=transport)
        self._silence_seconds = silence_seconds
        self._conversation = Conversation(patience=patience)

    def start(
        self,
        workflow: str,
        input: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[StartOptions],
    ) -> dict[str, Any]:
        """Start a run; its snapshot. The request is repeated while the server is away, and starts one run all the same.

        idempotency_key: of yours, so that a program that is started again gets the run that it started before.
        Raises Refused, Unreachable.
        """
        body = {"workflow": workflow, "input": dict(input or {}), **options}
        return self._value(self._conversation.start(body, idempotency_key=idempotency_key))

    def snapshot(self, run: str) -> dict[str, Any]:
        """Everything of the run at one moment, with the `seq` and `epoch` that `cursor_of` makes a cursor of."""
        return self._value(self._conversation.snapshot(run))

    def follow(
        self,
        run: str,
        *,
        after: int | str = 0,
        timeout_seconds: float | None = None,
        on_cut: Callable[[str], None] | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """The run's events after the cursor `after`, each once and in order, to the end of its round: the last line is
        `end`, with the `state`. Between them come lines without `seq`: frames such as `step.progress`, and `gap`.

        A line that is cut is taken up after the last event; on_cut is told why. Where the server's log is restored to
        an earlier point, who followed from the start is told `reset`: forget what came before, the log begins again.
        Raises LogReset in that case for any other cursor; TimedOut, LogIncomplete, Refused.
        """
        return self._perform(
            self._conversation.follow(run, after=after, timeout_seconds=timeout_seconds, on_cut=on_cut)
        )

    def watch(
        self,
        run: str,
        *,
        timeout_seconds: float | None = None,
        on_cut: Callable[[str], None] | None = None,
    ) -> Generator[Picture, None, None]:
        """The run as it looks, at once and after each thing that happens: see `Picture`. What `follow` says of cuts
        holds; a log that is restored makes a new picture. Raises TimedOut, Refused, Unreachable.
        """
        return self._perform(self._conversation.watch(run, timeout_seconds=timeout_seconds, on_cut=on_cut))

    def items(self, run: str, *, step: str | None = None) -> Generator[dict[str, Any], None, None]:
        """The run's current items, in the order of their events. Raises Refused, Unreachable."""
        return self._perform(self._conversation.items(run, step=step))

    def result(self, run: str, *, timeout_seconds: float | None = None) -> Any:
        """What the run's last step gave back, waited for without polling. Raises TimedOut, RunEnded, Refused."""
        return self._value(self._conversation.result(run, timeout_seconds=timeout_seconds))

    def send(self, method: str, path: str, **options: Any) -> Answer:
        """One request to any other address of the server, not repeated; options: of httpx, such as `json`, `files`.

        Raises Refused, Unreachable, and ValueError for a link to another server.
        """
        request = Request(method=method, path=path, options=options)
        return self._value(self._conversation.ask(request, repeats=False))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _value(self, program: Program[T]) -> T:
        value: T
        (value,) = self._perform(emitting(program))
        return value

    def _perform(self, program: Program[Any]) -> Generator[Any, None, None]:
        """Yields what the program emits. A caller who leaves early closes what is open."""
        answer: Any = None
        cut: Cut | None = None
        with closing(_Line(self._http, self._silence_seconds)) as line:
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
                    answer = line.do(effect)
                except httpx.RequestError as error:
                    cut = Cut(said(error))


class _Line:
    """At most one stream that is open; closed at the end, and before another one is opened."""

    def __init__(self, http: httpx.Client, silence_seconds: float) -> None:
        self._http = http
        self._silence_seconds = silence_seconds
        self._stream: httpx.Response | None = None
        self._bytes: Iterator[bytes] = iter(())

    def do(self, effect: Effect) -> Answer | bytes | None:
        """Raises httpx.RequestError."""
        match effect:
            case Ask(request):
                response = self._http.send(self._built(request))
                return answer_of(response, response.content)
            case Open(request):
                return self._open(request)
            case Read():
                return next(self._bytes, b"")
            case Pause(seconds):
                self.close()
                time.sleep(seconds)
        return None

    def _open(self, request: Request) -> Answer:
        self.close()
        self._stream = self._http.send(
            self._built(request, silence_seconds=self._silence_seconds), stream=True
        )
        if not self._stream.is_success:
            return answer_of(self._stream, self._stream.read())
        self._bytes = self._stream.iter_bytes()
        return answer_of(self._stream, b"")

    def _built(self, request: Request, *, silence_seconds: float | None = None) -> httpx.Request:
        return self._http.build_request(
            **sent(request, base_url=self._http.base_url, silence_seconds=silence_seconds)
        )

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
