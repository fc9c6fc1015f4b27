"""The feeds of a process join their groups one after the other."""

import asyncio


class Joining:
    """Whose turn it is to join, in one event loop; and whether the last try failed."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.is_failing = False
