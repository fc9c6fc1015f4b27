"""Any server that speaks OpenAI's chat completions, hosted or local, through the `openai` SDK.

One client a request, never shared: closing the generator closes the connection, and nothing crosses a fork.
The SDK's own retries are off, because an attempt is a durable row of ours.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from pydantic import SecretStr

from streaming.llm.base import (
    Chunk,
    Finish,
    FinishReason,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    Prompt,
    Usage,
)
from streaming.llm.openai_connection import Connection
from streaming.llm.openai_errors import Asked, explain
from streaming.llm.openai_request import Dialect
from streaming.llm.patience import Patience, Watch
from streaming.llm.stopping import NEVER, Stop

# Local servers have words of their own for the two ends that matter.
REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}


@dataclass(frozen=True, kw_only=True)
class OpenAIModel:
    name: str
    base_url: str
    api_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    patience: Patience = field(default_factory=Patience)
    include_usage: bool = True
    max_retry_after_seconds: float = 3_600.0
    dialect: Dialect = field(default_factory=Dialect)

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        # `from None` throughout: the provider's words, which may quote the key, stay out of tracebacks.
        try:
            yield from self._stream(prompt, stop)
        except openai.OpenAIError as error:
            if not stop.is_set():
                raise explain(error, self._asked(prompt)) from None
        except ModelError:  # a stop looks like a silence, or like a broken line
            if not stop.is_set():
                raise

    def _asked(self, prompt: Prompt) -> Asked:
        return Asked(
            host=self._host,
            max_retry_after_seconds=self.max_retry_after_seconds,
            is_structured=self.dialect.is_structured(prompt),
            is_prefilled=self.dialect.is_prefilled(prompt),
        )

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).netloc

    def _stream(self, prompt: Prompt, stop: Stop) -> Iterator[Chunk | Finish]:
        if stop.is_set():
            return
        deadline = time.monotonic() + self.patience.first_token_seconds
        connection = Connection()
        with (
            Watch(connection.cut, stop=stop) as watch,
            self._client(connection) as client,
            self._request(client, prompt, watch, deadline) as stream,
            closing(connection),
        ):
            self._check_type(stream)
            yield from self._answer(stream, watch, stop)

    def _client(self, connection: Connection) -> openai.OpenAI:
        patience = self.patience
        return openai.OpenAI(
            api_key=self.api_key.get_secret_value() or "none",
            base_url=self.base_url,
            max_retries=0,
            timeout=openai.Timeout(patience.first_token_seconds, connect=patience.connect_seconds),
            http_client=connection.client(),
        )

    def _request(
        self, client: openai.OpenAI, prompt: Prompt, watch: Watch, deadline: float
    ) -> openai.Stream[ChatCompletionChunk]:
        """Raises APITimeoutError at the deadline too: each header is a sign of life for the socket's own time-out."""
        watch.arm(deadline)
        try:
            return self._asked_for(client, prompt)
        except openai.APIConnectionError as error:
            if watch.has_cut:
                raise openai.APITimeoutError(request=error.request) from None
            raise

    def _asked_for(self, client: openai.OpenAI, prompt: Prompt) -> openai.Stream[ChatCompletionChunk]:
        return client.chat.completions.create(
            model=self.name,
            messages=self.dialect.messages(prompt),
            stream=True,
            stream_options={"include_usage": True} if self.include_usage else openai.omit,
            # A local server without keys gets no header at all rather than a made-up one.
            extra_headers=None if self.api_key.get_secret_value() else {"Authorization": openai.omit},
            extra_body=self.dialect.extra_body(prompt) or None,
        )

    def _check_type(self, stream: openai.Stream[ChatCompletionChunk]) -> None:
        given = stream.response.headers.get("content-type", "").partition(";")[0].strip().lower()
        # A wrong address often answers 200 with a page; read as a stream, that would be an empty answer.
        if given in ("text/html", "application/json"):
            raise ModelRefused(
                f"The address at {self._host} answered with {given} instead of a stream of events. "
                "Check LONGHAUL_MODEL_BASE_URL, and that the server can stream."
            )

    def _answer(
        self, stream: openai.Stream[ChatCompletionChunk], watch: Watch, stop: Stop
    ) -> Iterator[Chunk | Finish]:
        answer = Answer()
        for chunk in self._chunks(stream, watch, answer):
            text = answer.take(chunk)
            if stop.is_set() and not answer.reason:  # what had arrived before the cut
                return
            if text is None:
                continue
            watch.disarm()
            if text:
                yield Chunk(text)
            watch.arm(time.monotonic() + self.patience.idle_seconds)
        if watch.has_cut and not answer.reason:
            raise self._silence(answer)
        yield Finish(answer.reason or "unknown", answer.usage)

    def _chunks(
        self, stream: openai.Stream[ChatCompletionChunk], watch: Watch, answer: "Answer"
    ) -> Iterator[ChatCompletionChunk]:
        """The stream up to its end, be it a proper one, a fault of the line or the watch."""
        try:
            yield from stream
        except openai.APITimeoutError:
            if not answer.reason and not watch.has_cut:
                raise
        except openai.APIConnectionError:
            # Cut after it had begun: an answer without a reason to end, the same as a clean end without one.
            if not answer.has_begun and not watch.has_cut:
                raise
        except ValueError:
            raise ModelUnavailable(
                f"The model provider at {self._host} sent what is not a stream of chat completions. "
                "Check LONGHAUL_MODEL_BASE_URL, or try again."
            ) from None

    def _silence(self, answer: "Answer") -> ModelUnavailable:
        seconds = self.patience.idle_seconds if answer.has_begun else self.patience.first_token_seconds
        when = "in the middle of its answer" if answer.has_begun else "before its first word"
        return ModelUnavailable(
            f"The model at {self._host} said nothing for {seconds:g} seconds {when}. Another try may succeed."
        )


class Answer:
    """What the chunks of one answer have told so far."""

    def __init__(self) -> None:
        self.reason: FinishReason | None = None
        self.usage = Usage()
        self.has_begun = False

    def take(self, chunk: ChatCompletionChunk) -> str | None:
        """The text of a chunk, empty where the model only thinks, None where it is not the model that speaks.

        Raises ModelRefused when the model declines.
        """
        if chunk.usage:
            self.usage = Usage(
                tokens_in=chunk.usage.prompt_tokens or 0,
                tokens_out=chunk.usage.completion_tokens or 0,
                tokens_cached=getattr(chunk.usage.prompt_tokens_details, "cached_tokens", None) or 0,
            )
        choice = chunk.choices[0] if chunk.choices else None
        # Not every server sends every field that the SDK's types promise.
        delta = getattr(choice, "delta", None) or ChoiceDelta()
        if choice and choice.finish_reason:
            self.reason = REASONS.get(choice.finish_reason, "unknown")
        elif not speaks(delta):
            return None
        self.has_begun = True
        if delta.refusal:
            raise ModelRefused(
                "The model declined to answer. Change the task or the material, or ask another model."
            )
        return delta.content or ""


def speaks(delta: ChoiceDelta) -> bool:
    """Servers put thoughts into fields of their own; a role alone, or empty text, is only a greeting."""
    return bool(delta.content or delta.refusal or delta.tool_calls or any((delta.model_extra or {}).values()))
