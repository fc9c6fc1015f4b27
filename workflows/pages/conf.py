"""How much a page shows at most."""

from pydantic import BaseModel, ConfigDict, Field

from outbox.conf import read_settings


class PageSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    page_items_max: int = Field(
        500, ge=1, description="items painted on a run's page; the rest are behind a link"
    )
    page_messages_max: int = Field(50, ge=1, description="latest messages painted on a run's page")
    page_warnings_max: int = Field(100, ge=1, description="warnings painted on a run's page")


def conf() -> PageSettings:
    return read_settings(PageSettings)
