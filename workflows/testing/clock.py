"""Time as a test wants it."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 9, 31, 4, 512000, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def turn_to(self, moment: datetime) -> None:
        """Go on to `moment`; time never goes back."""
        self.moment = max(self.moment, moment)
