"""Group 4, the last yard: a sender of webhooks is struck when a receiver has answered and nothing is noted yet.

Imported when Django is up.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from config.supervisor import Program
from outbox.clock import CLOCK
from outbox.consumer import find
from outbox.consuming.loop import ConsumerLoop
from outbox.models import Audience, DeliveryState, Entry, Stream, Webhook
from outbox.webhooks.deliverer import Deliverer
from outbox.webhooks.registering import register, send_again
from outbox.webhooks.signing import TIMESTAMP, WebhookRefused, verify
from tests.faults import people
from tests.faults.consumer_moments import APPLIED_SECONDS, consuming, finish
from tests.faults.outbox_strikes import STRIKES, Scene, looping
from tests.faults.programs import manage_argv
from tests.faults.relay_moments import in_body
from tests.faults.system import Hit, NeverHappened, System, wait_for

CONSUMER = "webhooks"


class Sender:
    """The product's own loop."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def run(self) -> None:
        Deliverer().run(self._stop)

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def another_sender() -> Iterator[None]:
    with looping(ConsumerLoop(find(CONSUMER))), looping(Sender()):
        yield


@contextmanager
def sent_again(webhook: Webhook, run: UUID) -> Iterator[None]:
    """An operator sends again what is under way, and another sender takes it up."""
    send_again(webhook.deliveries.filter(stream=run), clock=CLOCK)
    with another_sender():
        yield


def is_told(webhook: Webhook, run: UUID) -> bool:
    """Whether it is noted of each event of the run that the receiver has it."""
    told = webhook.deliveries.filter(stream=run, state=DeliveryState.DELIVERED).count()
    return told == Stream.objects.get(key=run).head


def _end_leases(webhook: Webhook) -> None:
    """Whoever has begun a try may take a minute for it, at any time scale: nobody knows how slow a receiver is."""
    webhook.deliveries.filter(state=DeliveryState.PENDING).update(due_at=CLOCK.now())


def _scene(system: System, run: UUID, hit: Hit, webhook: Webhook) -> Scene:
    gate = system.gates["webhooks"]
    return Scene(
        system=system,
        hit=hit,
        gates=(gate,),
        gate=gate,
        loses=b"COMMIT",
        role=find(CONSUMER).role,
        lease_seconds=10.0 * system.scale,
        is_done=lambda: is_told(webhook, run),
        another=another_sender,
        lawless=lambda: sent_again(webhook, run),
        end_leases=lambda: _end_leases(webhook),
    )


def play(point: str, strike: str, system: System) -> list[UUID]:
    """One cell: a sender is struck with the first events of a run."""
    name = uuid4().hex
    webhook, secret = register(people.receiver(name), audience=Audience.OPERATOR)
    program = Program(name="webhooks", argv=manage_argv(system.gates["webhooks"], "webhooks"))
    try:
        with consuming(system, CONSUMER, program):
            system.arm(point)
            run, held = in_body(system)
            scene = _scene(system, run, system.await_hit(point), webhook)
            STRIKES[strike](scene)
            # Before anything else is told.
            wait_for("what was under way told", scene.is_done, seconds=APPLIED_SECONDS)
            runs = finish(run, held)
            for run in runs:
                wait_for("all of it told", lambda run=run: is_told(webhook, run), seconds=APPLIED_SECONDS)
    finally:
        webhook.delete()
    found = list(_faults_of(people.received(name), runs, secret))
    if found:
        raise NeverHappened("; ".join(found))
    return runs


def _faults_of(came: list[dict[str, object]], runs: list[UUID], secret: str) -> Iterator[str]:
    """Each event came at least once, signed, always the same under one id; and nothing else did."""
    bodies: dict[str, str] = {}
    for request in came:
        headers, body = request["headers"], request["body"]
        try:
            id_ = verify(headers, body.encode(), [secret], now=float(headers[TIMESTAMP])).id
        except WebhookRefused as error:
            yield f"a webhook is refused: {error}"
            continue
        if bodies.setdefault(id_, body) != body or json.loads(body)["id"] != id_:
            yield f"webhook {id_} came with another body"
    log = {str(id_) for id_ in Entry.objects.filter(stream_id__in=runs).values_list("id", flat=True)}
    if log != bodies.keys():
        yield f"{len(log - bodies.keys())} events never came, {len(bodies.keys() - log)} strange ones did"
