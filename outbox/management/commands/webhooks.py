"""`manage.py webhooks`: lines up deliveries and sends what is due, until stopped; lists, tries, sends again."""

import argparse
import logging
import signal
import threading
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from outbox import wire
from outbox.clock import CLOCK
from outbox.connections import PASSING, drop_broken
from outbox.consumer import find
from outbox.consuming.loop import ConsumerLoop
from outbox.models import Delivery, DeliveryState, Inbox, Webhook
from outbox.webhooks.cloudevents import cloud_event
from outbox.webhooks.conf import conf
from outbox.webhooks.deliverer import Deliverer, limits
from outbox.webhooks.outgoing import Outgoing
from outbox.webhooks.registering import CONSUMER, send_again
from outbox.webhooks.sending import post

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # while there is no webhook


class Command(BaseCommand):
    help = "Deliver signed webhooks, until stopped. Any number of these processes may run."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb")
        verbs.add_parser("serve", help="line up deliveries and send what is due, until stopped (the default)")
        verbs.add_parser(
            "list", help="every webhook: its state, and how many deliveries wait or were given up"
        )
        test = verbs.add_parser("test", help="send a test event to a webhook now, and say what came of it")
        test.add_argument("webhook", type=int)
        again = verbs.add_parser("send-again", help="put what was given up for a webhook in line again")
        again.add_argument("webhook", type=int)

    def handle(self, *args: Any, verb: str | None, **options: Any) -> None:
        match verb:
            case "list":
                self._list()
            case "test":
                self._test(_webhook(options["webhook"]))
            case "send-again":
                given_up = _webhook(options["webhook"]).deliveries.filter(state=DeliveryState.FAILED)
                self.stdout.write(f"{send_again(given_up, clock=CLOCK)} in line again")
            case _:
                if not serve():
                    raise CommandError("the consumer of events ended by an error; its log says which")

    def _list(self) -> None:
        for webhook in Webhook.objects.order_by("pk"):
            state = "active" if webhook.is_active else f"off {webhook.disabled_because}".strip()
            mine = Delivery.objects.filter(webhook=webhook)
            waiting, given_up = (
                mine.filter(state=state).count() for state in (DeliveryState.PENDING, DeliveryState.FAILED)
            )
            self.stdout.write(
                f"{webhook.pk}  {webhook}  {state}  {waiting} waiting  {given_up} given up"
                f"  {webhook.failures} failures in a row"
            )

    def _test(self, webhook: Webhook) -> None:
        """Beside the line: it is signed and sent like any event, and leaves no delivery."""
        now, event_id = CLOCK.now(), str(uuid4())
        envelope = {
            "v": wire.ENVELOPE_VERSION,
            "seq": 0,
            "id": event_id,
            "type": "webhook.test",
            "run": "none",
            "time": wire.timestamp(now),
            "data": {"text": "A test: nothing has happened."},
        }
        event = cloud_event(
            envelope, source=conf().cloud_event_source, type_prefix=conf().cloud_event_type_prefix
        )
        outgoing = Outgoing(
            url=webhook.url,
            id=event_id,
            body=wire.encode(event),
            secrets=webhook.signing_secrets(now),
        )
        answer = post(outgoing, limits=limits(), now=now)
        said = answer.error or f"{webhook.host} answered {answer.status}"
        if not answer.is_success:
            raise CommandError(said)
        self.stdout.write(said)


def serve() -> bool:
    """Until SIGTERM or SIGINT, or until the consumer ends by itself; False then."""
    stop, failed = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    loop = ConsumerLoop(find(CONSUMER))
    thread = threading.Thread(target=_line_up, args=(loop, stop, failed), name=CONSUMER)
    thread.start()
    try:
        Deliverer().run(stop)
    finally:  # also when it raises: a process whose consumer alone goes on sends nothing and is not started anew
        stop.set()
        loop.stop()
        thread.join()
    return not failed.is_set()


def _line_up(loop: ConsumerLoop, stop: threading.Event, failed: threading.Event) -> None:
    """Run the consumer, from the day that there is a webhook: without one, events would be looked at for nothing."""
    try:
        while not stop.is_set() and not _is_used():
            stop.wait(LOOK_SECONDS)
        loop.run()
    except Exception:
        failed.set()
        logger.exception("consumer ended", extra={"consumer": CONSUMER})
    finally:
        stop.set()
        connections.close_all()


def _is_used() -> bool:
    """Also once all webhooks are gone: a group that nobody reads would keep Redis from being trimmed."""
    drop_broken()
    try:
        return Webhook.objects.exists() or Inbox.objects.filter(consumer=CONSUMER).exists()
    except PASSING:
        return False


def _webhook(number: int) -> Webhook:
    try:
        return Webhook.objects.get(pk=number)
    except Webhook.DoesNotExist:
        raise CommandError(f"there is no webhook {number}; `webhooks list` shows them") from None
