"""How much the admin shows, counts and does at once."""

from pydantic import BaseModel, ConfigDict, Field

from outbox.conf import read_settings


class AdminSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    admin_page_size: int = Field(50, ge=1, le=500, description="rows of a list in the admin")
    admin_count_max: int = Field(
        10_000, ge=1, description="rows that a list counts; beyond it says 'or more'"
    )
    admin_bulk_max: int = Field(100, ge=1, description="runs that one action of the list may take")
    admin_attempts_max: int = Field(
        200, ge=1, description="latest attempts, and audit entries, on a run's page"
    )
    admin_items_page_size: int = Field(50, ge=1, description="items on a run's page in the admin")
    admin_events_page_size: int = Field(50, ge=1, description="events on a run's page in the admin")
    admin_stuck_seconds: float = Field(
        60.0, ge=1, description="how long a live run's alarm is overdue until it counts as stuck"
    )


def conf() -> AdminSettings:
    return read_settings(AdminSettings)
