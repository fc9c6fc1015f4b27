"""The settings of the ways in: tickets, share links, and how much one caller may ask for."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from outbox.conf import read_settings

DAY_SECONDS = 86_400


def _read_origins(value: Any) -> Any:
    """Origins out of a text with commas. Raises ValueError for what a browser would not send as one."""
    if not isinstance(value, str):
        return value
    origins = tuple(filter(None, (part.strip() for part in value.split(","))))
    for origin in origins:
        parts = urlsplit(origin)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or origin != f"{parts.scheme}://{parts.netloc}"
        ):
            raise ValueError(f"{origin!r} is no origin such as https://app.example.com, without a path")
    return origins


Origins = Annotated[tuple[str, ...], BeforeValidator(_read_origins)]


class EntranceSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    stream_origins: Origins = Field(
        (),
        description="other websites whose pages may open streams with a ticket, as https://a.example,https://b.example",
    )
    stream_ticket_seconds: float = Field(
        60.0, gt=0, le=60, description="how long a ticket may wait to be used"
    )
    share_link_seconds: float = Field(
        7.0 * DAY_SECONDS, gt=0, description="how long a share link is good if its maker does not say"
    )
    share_link_max_seconds: float = Field(
        30.0 * DAY_SECONDS, gt=0, description="longest that a share link may be good"
    )
    starts_per_minute: int = Field(
        600, ge=0, description="runs that one caller may start in a minute; 0: no limit"
    )
    uploads_per_minute: int = Field(
        60, ge=0, description="documents that one caller may hand in in a minute; 0: no limit"
    )
    failed_logins_max: int = Field(
        10, ge=0, description="wrong passwords for one name from one address, until it must wait; 0: no limit"
    )
    failed_logins_address_factor: int = Field(
        10, ge=1, description="so many times more for all names from one address"
    )
    failed_logins_seconds: int = Field(300, ge=1, description="after which wrong passwords are forgotten")
    share_links_max: int = Field(50, ge=1, description="live share links of one run")


def conf() -> EntranceSettings:
    return read_settings(EntranceSettings)
