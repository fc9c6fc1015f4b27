"""Secrets that stand for somebody: made here, shown once, kept as a hash alone. Pure, but for the randomness."""

import hashlib
import secrets

SECRET_BYTES = 32  # 256 bits: nobody guesses one, so a hash without salt or stretching keeps it
TOKEN_PREFIX, TICKET_PREFIX = "lh_", "lht_"  # by which logs and scanners know them
SHOWN_CHARS = len(TOKEN_PREFIX) + 6  # of a token, to tell it from others


def new_secret(prefix: str = "") -> str:
    """`prefix` and 43 characters that fit an address and a header."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hex. Half a surrogate pair, which no secret has, does no harm."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
