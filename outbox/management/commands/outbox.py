"""`manage.py outbox …`: how the relay is doing, another try for what it could not publish, Redis against the log.

Exit status of `status` and `verify`: 0 when all is well, 1 when something needs a human, 2 for a wrong argument.
"""

import json
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any
from uuid import UUID

import redis
from django.core.management.base import BaseCommand, CommandError

from outbox import verification
from outbox.clock import CLOCK
from outbox.connections import PASSING
from outbox.looping import RelayLoop
from outbox.management import telling
from outbox.redis import client
from outbox.report import Report, read_report
from outbox.requeueing import requeue
from outbox.verification import Fault, Tally

WINDOW_SECONDS = 1.0
FAULTS_LISTED = 200


class Command(BaseCommand):
    help = "Look after the outbox: status, requeue, verify, relay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        status = verbs.add_parser("status", help="backlog, lag, consumers; exit status 1 if it needs you")
        status.add_argument("--json", action="store_true")
        status.add_argument(
            "--window", type=float, default=WINDOW_SECONDS, help="seconds that the rate is measured; 0: not"
        )
        again = verbs.add_parser(
            "requeue", help="another try at once for streams that could not be published"
        )
        which = again.add_mutually_exclusive_group(required=True)
        which.add_argument("runs", nargs="*", type=UUID, default=[], help="ids of runs")
        which.add_argument("--all", action="store_true")
        again.add_argument("--reason", default="", help="kept in the log")
        verify = verbs.add_parser(
            "verify", help="every stream in Redis against the log; exit status 1 if it differs"
        )
        verify.add_argument("--run", type=UUID, help="this one only")
        verify.add_argument("--repair", action="store_true", help="make Redis tell again what the log says")
        verify.add_argument("--json", action="store_true")
        relay = verbs.add_parser("relay", help="publish until it is stopped, in a process of its own")
        relay.add_argument("--seconds", type=float, help="end after so long")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        do = {"status": self._status, "requeue": self._requeue, "verify": self._verify, "relay": self._relay}
        try:
            do[verb](options)
        except PASSING as error:
            raise CommandError(f"The database went away before it was done: {error}") from None

    def _status(self, options: dict[str, Any]) -> None:
        connection, window = client(), max(0.0, options["window"])
        before = read_report(connection, clock=CLOCK) if window else None
        begun = time.monotonic()
        if before is None or before.redis is not None:
            time.sleep(window)
            report = read_report(connection, clock=CLOCK)
        else:  # a Redis that is frozen costs a time-out each time
            report = before
        window = time.monotonic() - begun
        rate = _rate(before, report, window)
        if options["json"]:
            told = telling.as_json(report, rate=rate, window_seconds=round(window, 3))
            self.stdout.write(json.dumps(told, indent=2))
        else:
            for line in telling.as_text(report, rate=rate, window_seconds=round(window, 1)):
                self.stdout.write(line)
        if report.troubles():
            sys.exit(1)

    def _requeue(self, options: dict[str, Any]) -> None:
        done = requeue(None if options["all"] else options["runs"], reason=options["reason"])
        for key in done:
            self.stdout.write(f"{key} is tried again")
        self.stdout.write(f"{len(done)} streams requeued" if done else "no stream of these had failed")

    def _verify(self, options: dict[str, Any]) -> None:
        tally, shown, count, mended = Tally(), list[Fault](), 0, 0
        connection = client()
        try:
            for fault in _faults(connection, tally, options["run"]):
                count += 1
                mended += options["repair"] and verification.mend(fault, connection, clock=CLOCK)
                if count <= FAULTS_LISTED:
                    shown.append(fault)
        except redis.RedisError as error:
            raise CommandError(f"Redis went away before all of it was compared: {error}") from None
        if options["json"]:
            faults = telling.plain([asdict(fault) for fault in shown])
            told = {"healthy": not count, "looked_at": asdict(tally), "mended": mended}
            self.stdout.write(json.dumps({**told, "faults_count": count, "faults": faults}, indent=2))
        else:
            for line in telling.verified(tally, shown, count=count, mended=mended):
                self.stdout.write(line)
        if count:
            sys.exit(1)

    def _relay(self, options: dict[str, Any]) -> None:
        loop = RelayLoop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())
        loop.run(seconds=options["seconds"])


def _faults(connection: "redis.Redis", tally: Tally, run: UUID | None) -> Iterator[Fault]:
    return chain(
        verification.verify_log(tally, run=run),
        verification.verify_run_streams(connection, tally, run=run),
        verification.verify_firehoses(connection, tally, run=run),
    )


def _rate(before: Report | None, after: Report, seconds: float) -> float | None:
    """Entries a second that came to the firehoses between two reports."""
    if before is None or before.redis is None or after.redis is None:
        return None
    return max(0, after.redis.entries_added - before.redis.entries_added) / seconds
