"""Signatures of webhooks as Standard Webhooks 1.0 has them; both sides of it. Pure, and importable without Django.

    webhook-id          the event's id: the same at every try, so that a receiver can drop what it has
    webhook-timestamp   unix seconds of this try
    webhook-signature   `v1,<base64>`, several with a space between them while a secret is being replaced

What is signed is `<id>.<timestamp>.<body>`, with HMAC-SHA256. A secret is `whsec_` and the base64 of its bytes.

    WebhookRefused
    ├── BadHeaders       one is missing or malformed
    ├── OutsideWindow    too old or too new: perhaps a replay, perhaps a clock
    └── WrongSignature   none of the signatures fits any of the secrets
"""

import base64
import binascii
import hmac
import secrets as random_source
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PREFIX = "whsec_"
SECRET_BYTES = 32
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
VERSION = "v1"
TOLERANCE_SECONDS = 300
MAX_SIGNATURES = 16  # each costs the receiver a comparison with each of its secrets
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


class WebhookRefused(ValueError):
    """A request that does not prove to come from the holder of the secret, now. Answer 400 and do nothing."""


class BadHeaders(WebhookRefused):
    """One of the three headers is missing or malformed."""


class OutsideWindow(WebhookRefused):
    """The timestamp is further from now than the tolerance."""


class WrongSignature(WebhookRefused):
    """No signature fits: another secret, or another body than was signed."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A request that proved genuine. id: the event's; remember it, since the same event may come again."""

    id: str
    timestamp: int


def new_secret() -> str:
    return PREFIX + base64.b64encode(random_source.token_bytes(SECRET_BYTES)).decode()


def signed_headers(id_: str, body: bytes, *, secrets: Sequence[str], timestamp: int) -> dict[str, str]:
    """The three headers of one try, with a signature for each secret. Raises ValueError for a bad secret."""
    signatures = (_signature(secret, id_, timestamp, body) for secret in secrets)
    return {
        ID: id_,
        TIMESTAMP: str(timestamp),
        SIGNATURE: " ".join(f"{VERSION},{base64.b64encode(made).decode()}" for made in signatures),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    now: float | None = None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> Verified:
    """For receivers: raises one of WebhookRefused unless the request is genuine and fresh.

    headers: in any case.  body: the bytes as they came, before any parsing.  secrets: more than one while
    yours is being replaced.  now: unix seconds, the clock's by default.  Raises ValueError for a bad secret.

    A request may come twice within the tolerance, and an event again for days: drop ids that you have seen.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not lowered.get(name)]
    if missing:
        raise BadHeaders(f"header {missing[0]} is missing")
    stamp = lowered[TIMESTAMP]
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise BadHeaders(f"header {TIMESTAMP} is no number of seconds")
    difference = (time.time() if now is None else now) - int(stamp)
    if abs(difference) > tolerance_seconds:
        raise OutsideWindow(
            f"the request was signed {abs(difference):.0f} s {'ago' if difference > 0 else 'ahead of now'}; "
            f"{tolerance_seconds:g} s are allowed"
        )
    offered = _offered(lowered[SIGNATURE])
    expected = [_signature(secret, lowered[ID], int(stamp), body) for secret in secrets]
    # All pairs, whatever fits: how long it takes tells nothing.
    fits = [hmac.compare_digest(one, other) for one in offered for other in expected]
    if not any(fits):
        raise WrongSignature("no signature fits: another secret, or the body is not as it was sent")
    return Verified(id=lowered[ID], timestamp=int(stamp))


def _offered(header: str) -> list[bytes]:
    """Signatures of our version; other versions are not ours to judge."""
    parts = [part.partition(",") for part in header.split()[:MAX_SIGNATURES]]
    try:
        found = [base64.b64decode(text, validate=True) for version, _, text in parts if version == VERSION]
    except (binascii.Error, ValueError):
        raise BadHeaders(f"header {SIGNATURE} holds something that is no base64") from None
    if not found:
        raise BadHeaders(f"header {SIGNATURE} has no signature of version {VERSION}")
    return found


def _signature(secret: str, id_: str, timestamp: int, body: bytes) -> bytes:
    return hmac.digest(_key(secret), f"{id_}.{timestamp}.".encode() + body, "sha256")


def _key(secret: str) -> bytes:
    """Never says what the secret was."""
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a webhook secret is {PREFIX} and base64") from None
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError(f"a webhook secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
    return key
