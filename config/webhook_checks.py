"""`manage.py check --deploy`: where webhooks may go, and whether others read along. Numbered in `config/checks.py`."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from django.core.checks import CheckMessage, Warning

from config import inventory
from outbox.webhooks.conf import WebhookSettings, conf

# Where the large clouds hand out credentials to whoever asks from inside.
METADATA = [ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254")]


def check_webhooks(**_: Any) -> list[CheckMessage]:
    if inventory.faults(WebhookSettings):  # longhaul.E002 has said so
        return []
    return [*_without_tls(), *_too_wide()]


def _without_tls() -> Iterator[CheckMessage]:
    if conf().webhook_allow_http:
        yield Warning(
            "LONGHAUL_WEBHOOK_ALLOW_HTTP lets events be read on their way to webhooks.",
            hint="Unset it; for certificates of your own there is SSL_CERT_FILE (docs/webhooks.md).",
            id="longhaul.W017",
        )


def _too_wide() -> Iterator[CheckMessage]:
    for network in conf().webhook_allowed_networks:
        if any(address in network for address in METADATA if address.version == network.version):
            yield Warning(
                f"LONGHAUL_WEBHOOK_ALLOWED_NETWORKS has {network}: who may register a webhook reaches the address "
                "where clouds hand out credentials.",
                hint="Name only the networks of your receivers, such as 10.1.0.0/16.",
                id="longhaul.W018",
            )
