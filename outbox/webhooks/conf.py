"""The limits of webhooks, and how events are named to others."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from outbox.conf import Scaled, read_settings


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


# Comma-separated CIDR blocks.
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_split)]


class WebhookSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    webhook_allow_http: bool = Field(False, description="whether webhooks may go out without TLS")
    webhook_allowed_networks: Networks = Field(
        (), description="private networks that webhooks may reach, such as 10.1.0.0/16,fd00::/8"
    )
    webhook_connect_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="longest that a webhook's server may take to be connected to"
    )
    webhook_timeout_seconds: float = Field(
        15.0,
        gt=0,
        le=120,
        description="longest that one try of a delivery takes, from connecting to the answer",
    )
    webhook_concurrency: int = Field(
        32, ge=1, le=500, description="deliveries under way at once in a process"
    )
    webhook_concurrency_each: int = Field(
        4,
        ge=1,
        description="of these to one webhook, half of all at most; to one whose last try failed it is 1",
    )
    webhook_disable_seconds: Scaled = Field(
        432_000.0, gt=0, description="a webhook that failed this long without a success is switched off"
    )
    webhook_rotation_seconds: Scaled = Field(
        86_400.0, ge=0, description="how long a webhook's former secret signs beside the new one"
    )
    webhook_keep_days: float = Field(14.0, gt=0, description="deliveries that are over are kept this long")
    webhook_body_max_bytes: int = Field(
        262_144, ge=1_024, le=4_194_304, description="a larger event is not sent; its delivery says so"
    )
    cloud_event_type_prefix: str = Field(
        "dev.longhaul",
        pattern=r"^[a-z0-9.-]+$",
        description="stands before the type of an event told to others",
    )
    cloud_event_source: str = Field(
        "/runs", description="address that stands before a run's id as the source of an event told to others"
    )


def conf() -> WebhookSettings:
    return read_settings(WebhookSettings)
