"""What operators do to webhooks: register, replace the secret, send again. Secrets leave here once, as a result."""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import F, QuerySet

from outbox.clock import Clock
from outbox.models import Audience, Delivery, DeliveryState, Inbox, Webhook
from outbox.webhooks.addresses import AddressRefused, parse_url, require_allowed
from outbox.webhooks.conf import conf
from outbox.webhooks.connecting import Resolve, resolve
from outbox.webhooks.signing import new_secret

CONSUMER = "webhooks"  # that lines up deliveries: `outbox/consumers.py`


def check_url(url: str, *, resolve: Resolve = resolve) -> None:
    """Asks the name service: not inside a transaction. Raises AddressRefused with a sentence for the operator.

    For early words only: every connection is judged anew.
    """
    target = parse_url(url, allow_http=conf().webhook_allow_http)
    try:
        addresses = resolve(target.host, target.port)
    except (OSError, UnicodeError):
        raise AddressRefused(f"The host {urlsplit(url).hostname} is not found.") from None
    require_allowed(addresses, allowed=conf().webhook_allowed_networks)


def register(
    url: str,
    *,
    types: Sequence[str] = (),
    audience: Audience = Audience.MEMBER,
    description: str = "",
    created_by: str = "",
) -> tuple[Webhook, str]:
    """A new webhook, and its secret, which nobody is shown again. Raises AddressRefused, ValidationError."""
    check_url(url)
    webhook = Webhook(
        url=url,
        types=list(types),
        audience=audience,
        description=description,
        created_by=created_by,
        secret=new_secret(),
    )
    webhook.full_clean()
    add(webhook)
    return webhook, webhook.secret


def add(webhook: Webhook) -> None:
    """Save a new webhook. Its consumer begins at this moment, however much later its process looks."""
    with transaction.atomic():
        webhook.save()
        Inbox.begin(CONSUMER, now=webhook.created_at)


def rotate(webhook_id: int, *, clock: Clock) -> str:
    """The new secret, which signs from now on; the former one signs too for `webhook_rotation_seconds`.

    Rotated twice within that time, the first secret signs no longer.
    """
    secret = new_secret()
    until = clock.now() + timedelta(seconds=conf().webhook_rotation_seconds)
    Webhook.objects.filter(pk=webhook_id).update(
        previous_secret=F("secret"), previous_until=until, secret=secret
    )
    return secret


def enable(webhook: Webhook) -> None:
    """Active again, with a clean record; what is still in line goes out. The caller saves."""
    webhook.is_active = True
    webhook.failures, webhook.failing_since = 0, None
    webhook.disabled_at, webhook.disabled_because = None, ""


def send_again(deliveries: QuerySet[Delivery], *, clock: Clock) -> int:
    """Put deliveries in line again, with all their tries; how many.

    One that is under way right now may be sent twice; one that is still too large to send stays given up.
    """
    untried = deliveries.filter(state=DeliveryState.FAILED, attempts=0).values_list("pk", "body")
    limit = conf().webhook_body_max_bytes
    too_large = [pk for pk, body in untried.iterator(chunk_size=100) if len(body.encode()) > limit]
    return deliveries.exclude(pk__in=too_large).update(
        state=DeliveryState.PENDING, due_at=clock.now(), finished_at=None, tries=0, last_error=""
    )
