"""`manage.py consume NAME… | --all`: runs consumers until it is told to stop."""

import logging
import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from outbox import wire
from outbox.consumer import UnknownConsumer, find, names
from outbox.consuming.loop import ConsumerLoop

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Run consumers of events, each in a thread, until stopped. Of several processes with one consumer, each "
        "works on the shards that it holds, and takes over those of one that is gone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME")
        parser.add_argument("--all", action="store_true", help="every consumer of the installed apps")
        parser.add_argument(
            "--shards",
            type=int,
            metavar="N",
            help=f"work on at most N of the {wire.SHARD_COUNT} shards, so that other processes have some too",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = names() if options["all"] else options["names"]
        if not chosen:
            raise CommandError(f"name a consumer, or --all; there are {', '.join(names()) or 'none'}")
        if options["shards"] is not None and not 1 <= options["shards"] <= wire.SHARD_COUNT:
            raise CommandError(f"--shards is 1 to {wire.SHARD_COUNT}")
        try:
            consumers = [find(name) for name in dict.fromkeys(chosen)]
        except UnknownConsumer as error:
            raise CommandError(str(error)) from error
        loops = [ConsumerLoop(consumer, at_most=options["shards"]) for consumer in consumers]
        if not serve(loops):
            raise CommandError("a consumer ended by an error; the others were stopped")


def serve(loops: list[ConsumerLoop]) -> bool:
    """Until SIGTERM, SIGINT, or the end of one of them; False if one ended by itself."""
    ended, failed = threading.Event(), threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        ended.set()

    def live(loop: ConsumerLoop) -> None:
        try:
            loop.run()
        except Exception:
            failed.set()
            logger.exception("consumer ended", extra={"consumer": loop.consumer.name})
        finally:
            ended.set()
            connections.close_all()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    threads = [threading.Thread(target=live, args=(loop,), name=loop.consumer.name) for loop in loops]
    for thread in threads:
        thread.start()
    ended.wait()
    for loop in loops:
        loop.stop()
    for thread in threads:
        thread.join()
    return not failed.is_set()
