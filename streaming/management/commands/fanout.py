"""`manage.py fanout`: hands events of all runs to the web processes, until it is told to stop."""

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Any

from channels.layers import get_channel_layer
from django.core.management.base import BaseCommand

from streaming.fanout import FanOut

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Hand events of all runs to the web processes, until stopped. A second one does no harm."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(serve())


async def serve() -> None:
    """Fan out until SIGTERM or SIGINT. What was not told is told by the next one, from a while ago."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    fan_out = FanOut(get_channel_layer())
    running, stopping = asyncio.create_task(fan_out.run()), asyncio.create_task(asked.wait())
    logger.info("fan-out started")
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    fan_out.stop()
    running.cancel()
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await running
    logger.info("fan-out stopped")
