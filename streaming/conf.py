"""The settings of `streaming`: the model, the parsers, the gateway. How they are read: `outbox/conf.py`."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr, field_validator, model_validator

from outbox.conf import read_settings
from streaming.parsers.limits import HIGHEST_DEPTH, Limits
from streaming.prices import Price

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

# Nobody is paid for them, whatever else the table of prices says.
OWN_PRICES = {name: Price(input=Decimal(0), output=Decimal(0)) for name in ("offline", "recorded")}


class StreamingSettings(BaseModel):
    # An error about one value must not print the others: the key is among them.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, protected_namespaces=())

    # The model.
    model_provider: Literal["offline", "openai", "recorded"] = Field(
        "offline",
        description="`openai` is any server that speaks its chat completions, hosted or local; "
        "`recorded` says again what another one said",
    )
    model_base_url: str = Field(
        "https://api.openai.com/v1", description="up to and with the version, often /v1"
    )
    model_name: str = Field("", description="as the provider calls it; needed with `openai`")
    model_api_key: SecretStr = Field(SecretStr(""), description="empty for a local server that wants none")
    model_connect_timeout_seconds: Seconds = Field(
        10.0, description="until the provider takes the connection"
    )
    model_first_token_timeout_seconds: Seconds = Field(
        120.0, description="until it says its first word; not under the idle time-out"
    )
    model_idle_timeout_seconds: Seconds = Field(45.0, description="longest silence between two words")
    model_max_retry_after_seconds: Seconds = Field(
        3_600.0, description="longest wait that a provider may ask for"
    )
    model_include_usage: bool = Field(
        True, description="ask for token counts; off for servers that refuse it"
    )
    model_structured_output: Literal["off", "json_object", "json_schema"] = Field(
        "off", description="how the provider holds an answer that is one document to its form"
    )
    model_prefill: Literal["none", "assistant", "prefix", "continue_final_message"] = Field(
        "none",
        description="how an interrupted answer is gone on with, where the provider takes its beginning",
    )
    model_record_to: Path | None = Field(
        None, description="folder in which each answer is written down as it comes, without keys; empty: none"
    )
    model_record_prompts: bool = Field(False, description="write the prompt's words too, not only its hash")
    model_recording: Path | None = Field(
        None, description="what `recorded` says: one file, or a folder to find the prompt's own in"
    )
    model_recording_speed: float = Field(
        1.0, ge=0, le=1_000_000, description="1: as it was said, 10: ten times as fast, 0: without pauses"
    )
    model_recording_log: Path | None = Field(
        None, description="file that counts what `recorded` was asked and said; empty: none"
    )
    model_prices: Json[dict[str, Price]] = Field(
        "{}",
        validate_default=True,
        description='what a million tokens cost, by name or pattern: {"gpt-4.1*": {"input": 2, "output": 8}}',
    )
    model_prices_currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="of MODEL_PRICES")
    offline_extractor: str = Field(
        "documents.extraction.extract", description="dotted path: text of the prompt -> objects"
    )
    offline_chunk_delay_seconds: float = Field(
        0.015, ge=0, le=10, description="pause between two chunks: a human pace; 0 in tests"
    )
    offline_chunk_min_chars: Count = Field(4, description="shortest chunk of the offline model, but the last")
    offline_chunk_max_chars: Count = Field(24, description="longest chunk of the offline model")

    # The parsers. 1 kB = 1,024 bytes.
    json_max_depth: int = Field(64, ge=1, le=HIGHEST_DEPTH, description="objects and lists within each other")
    json_max_string_bytes: Count = Field(262_144, description="one string of model output, as written")
    json_max_number_chars: int = Field(
        64, ge=1, le=4_000, description="one number of model output, as written"
    )
    json_max_line_bytes: Count = Field(1_048_576, description="one line, or one object broken over lines")
    json_max_document_bytes: Count = Field(33_554_432, description="one whole answer")
    json_max_items: Count = Field(50_000, description="objects taken from one answer")
    json_max_raw_bytes: Count = Field(65_536, description="kept of a rejected text, for the operator")
    json_max_prose_bytes: int = Field(8_192, ge=0, description="kept of what stands around the objects")

    # The gateway and the fan-out.
    heartbeat_seconds: Seconds = Field(15.0, description="pause between two heartbeats of a stream")
    follow_queue_max_events: Count = Field(64, description="events that wait for one slow reader")
    follow_page_events: Count = Field(500, description="events that one catch-up read fetches")
    stream_max_age_seconds: Seconds = Field(900.0, description="after it a stream is closed politely")
    poll_wait_max_seconds: int = Field(
        60, ge=1, le=3_600, description="longest that an answer waits for news (`wait=`)"
    )
    send_timeout_seconds: Seconds = Field(
        60.0, description="until a reader of a stream takes 64 kB; then it is cut"
    )
    ws_max_subscriptions: Count = Field(20, description="runs on one socket")
    connections_max: int = Field(
        100, ge=0, description="streams and sockets of one caller in one web process; 0: no limit"
    )
    ws_max_frame_bytes: Count = Field(4_096, description="one frame from a client")
    fanout_block_ms: int = Field(1_000, ge=1, le=2_000, description="one blocking read of the streams")
    fanout_lookback_seconds: float = Field(
        60.0, ge=0, description="how far back a new fan-out starts to read"
    )
    hint_max_bytes: Count = Field(65_536, description="events carried by one hint; above it, none")
    read_threads: Count = Field(4, description="threads of a web process that read for streams")
    events_page_size: Count = Field(50, description="events of a JSON page of the log")
    events_page_size_max: Count = Field(500, description="most events that a caller may ask for")

    @field_validator("model_record_to", "model_recording", "model_recording_log", mode="before")
    @classmethod
    def is_somewhere(cls, value: object) -> object:
        """Empty is none: as a path it would be the folder that the process happens to be in."""
        return value or None

    @field_validator("model_base_url")
    @classmethod
    def is_plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https address such as https://api.openai.com/v1")
        if parts.username or parts.password:
            raise ValueError("must hold no user name or password: they would show in logs; use MODEL_API_KEY")
        return value

    @field_validator("model_prices", mode="before")
    @classmethod
    def is_a_table(cls, value: object) -> object:
        """Empty is not set, as docker compose passes it."""
        return value or "{}"

    @field_validator("model_prices")
    @classmethod
    def knows_our_own_models(cls, value: dict[str, Price]) -> dict[str, Price]:
        return {**OWN_PRICES, **value}

    @field_validator("model_api_key")
    @classmethod
    def fits_a_header(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value().strip()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("must be printable ASCII without spaces, as it came from the provider")
        return SecretStr(key)

    @model_validator(mode="after")
    def is_consistent(self) -> Self:
        if self.model_provider == "openai" and not self.model_name:
            raise ValueError("MODEL_PROVIDER is openai, so MODEL_NAME must say which model to ask")
        if self.model_provider == "recorded" and self.model_recording is None:
            raise ValueError("MODEL_PROVIDER is recorded, so MODEL_RECORDING must say which file or folder")
        if self.model_first_token_timeout_seconds < self.model_idle_timeout_seconds:
            raise ValueError("MODEL_FIRST_TOKEN_TIMEOUT_SECONDS must not be under MODEL_IDLE_TIMEOUT_SECONDS")
        if self.offline_chunk_min_chars > self.offline_chunk_max_chars:
            raise ValueError("OFFLINE_CHUNK_MIN_CHARS must not be over OFFLINE_CHUNK_MAX_CHARS")
        if self.json_max_string_bytes > self.json_max_line_bytes:
            raise ValueError("JSON_MAX_STRING_BYTES must not be over JSON_MAX_LINE_BYTES")
        return self

    def parser_limits(self) -> Limits:
        return Limits(
            max_depth=self.json_max_depth,
            max_string_bytes=self.json_max_string_bytes,
            max_number_chars=self.json_max_number_chars,
            max_line_bytes=self.json_max_line_bytes,
            max_document_bytes=self.json_max_document_bytes,
            max_items=self.json_max_items,
            max_raw_bytes=self.json_max_raw_bytes,
            max_prose_bytes=self.json_max_prose_bytes,
        )


def conf() -> StreamingSettings:
    return read_settings(StreamingSettings)
