"""The outbox's settings, and the one reader that every app's `conf.py` uses.

A setting is a field of a frozen Pydantic model: name with its unit, type, default, bound and meaning in one
place. Its value comes from `settings.LONGHAUL["RELAY_BATCH_SIZE"]`, which `config/settings.py` fills from the
environment (`LONGHAUL_RELAY_BATCH_SIZE`). It is read late, so a test may override it.

LONGHAUL_TIME_SCALE shrinks the times that are of type Scaled (leases, beats, back-offs), so that a test of a dead
worker takes seconds. Limits that guard against a slow network or a slow machine stay as they are.
"""

from typing import Annotated, Any, TypeVar, cast

from django.conf import settings
from django.core.signals import setting_changed
from pydantic import BaseModel, ConfigDict, Field

AppSettings = TypeVar("AppSettings", bound=BaseModel)

# Seconds that LONGHAUL_TIME_SCALE shrinks.
Scaled = Annotated[float, "scaled"]


_read: dict[type[BaseModel], BaseModel] = {}


def read_settings(model: type[AppSettings]) -> AppSettings:
    """The settings of one app. Raises pydantic.ValidationError naming each value that is out of range."""
    if model in _read:
        return cast(AppSettings, _read[model])
    given = {
        name: settings.LONGHAUL[name.upper()]
        for name in model.model_fields
        if name.upper() in settings.LONGHAUL
    }
    value = model.model_validate(given)
    scaled = {
        name: getattr(value, name) * time_scale()
        for name, field in model.model_fields.items()
        if "scaled" in field.metadata
    }
    value = _read[model] = value.model_copy(update=scaled)
    return value


def time_scale() -> float:
    """What Scaled times are multiplied with: 1, but in tests."""
    return float(settings.LONGHAUL.get("TIME_SCALE", 1.0))


def forget_settings(*, setting: str, **_: Any) -> None:
    if setting == "LONGHAUL":
        _read.clear()


setting_changed.connect(forget_settings, dispatch_uid="longhaul.forget_settings")


class OutboxSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    relay_batch_size: int = Field(
        100, ge=1, le=1_000, description="entries of one stream published in one call"
    )
    relay_streams_per_pass: int = Field(100, ge=1, description="dirty streams that one pass takes up")
    relay_linger_seconds: Scaled = Field(
        20.0, ge=0, description="how long a relay task waits for wake-ups before it ends"
    )
    relay_retry_seconds: Scaled = Field(
        1.0, gt=0, description="first wait after a stream could not be published; doubles"
    )
    relay_retry_cap_seconds: Scaled = Field(
        60.0, gt=0, description="longest wait between two tries of one stream"
    )
    relay_poison_tries: int = Field(
        5,
        ge=1,
        le=100,
        description="failures of a stream before the entry at fault becomes a tombstone in Redis",
    )
    shard_lease_seconds: Scaled = Field(
        10.0, gt=0, description="how long a silent relay or consumer keeps its shards from others"
    )
    run_stream_max_entries: int = Field(
        2_000, ge=10, description="entries that a run's Redis stream keeps, about"
    )
    run_stream_ttl_seconds: int = Field(
        900, ge=1, description="life of a run's Redis stream after its terminal event"
    )
    run_stream_idle_ttl_seconds: int = Field(
        86_400, ge=1, description="life of a live run's Redis stream after its last event"
    )
    firehose_max_entries: int = Field(
        100_000, ge=1_000, description="entries that a firehose shard keeps, about"
    )
    max_payload_bytes: int = Field(32_768, ge=1_024, description="largest payload of one entry, as JSON")
    time_scale: float = Field(
        1.0, gt=0, le=1, description="shrinks leases, beats and back-offs; below 1 in tests only"
    )
    nudge_timeout_seconds: float = Field(
        0.05, gt=0, le=1, description="longest that a commit waits to wake the relay"
    )
    consumer_batch_size: int = Field(
        100, ge=1, le=5_000, description="entries of one shard that a consumer takes at a time"
    )
    consumer_tries: int = Field(
        5, ge=1, le=1_000, description="failed tries after which an event becomes a dead letter"
    )
    consumer_retry_seconds: Scaled = Field(
        1.0, gt=0, description="first wait after a handler failed; doubles"
    )
    consumer_retry_cap_seconds: Scaled = Field(
        60.0, gt=0, description="longest wait between two tries of one event"
    )
    consumer_comparison_seconds: Scaled = Field(
        30.0, gt=0, description="a consumer compares what it applied with the log this often"
    )
    lag_alarm_seconds: Scaled = Field(
        60.0, gt=0, description="an entry that waits longer to be published needs a human"
    )
    firehose_seconds: int = Field(
        1_800, ge=1, description="how long a firehose shard keeps what all its groups have read"
    )
    group_forget_seconds: int = Field(
        604_800, ge=1, description="a consumer group that nobody reads for so long holds up no trimming"
    )
    entry_retention_days: float = Field(
        0.0, ge=0, description="published entries older than this are removed; 0: kept with their run"
    )
    retention_batch_rows: int = Field(
        500, ge=1, le=5_000, description="rows that retention removes from a table in one transaction"
    )
    retention_pause_seconds: float = Field(
        0.05, ge=0, le=10, description="what retention leaves to others between two batches"
    )
    retention_pass_seconds: float = Field(
        10.0, gt=0, le=600, description="after which a pass of retention ends and leaves the rest to the next"
    )


def conf() -> OutboxSettings:
    return read_settings(OutboxSettings)
