"""Whether queues have messages, asked once a sweep and outside any transaction."""

import logging
from collections.abc import Collection

from workflows.dispatch import count_messages

logger = logging.getLogger(__name__)


class Queues:
    """What the broker said of some queues. One that it did not answer for counts as empty: sending again is safe."""

    def __init__(self, names: Collection[str]) -> None:
        self._counts: dict[str, int] = {}
        try:
            self._counts = count_messages(names)
        except Exception as error:  # of whatever broker
            logger.warning("queues not counted", extra={"error": type(error).__name__})

    def is_busy(self, name: str) -> bool:
        return self._counts.get(name, 0) > 0
