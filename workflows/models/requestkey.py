"""Requests that were answered before: an idempotency key makes a repeated one safe."""

from django.conf import settings
from django.db import models

from workflows.models.run import Run


class RequestKey(models.Model):
    """One request of one caller under a key of their choice, written in the commit that it caused.

    scope: what was asked of what ("start", "cancel <run>"). fingerprint: SHA-256 of the canonical request, hex.
    """

    caller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="request_keys")  # what it came to
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="request_key_once", fields=["caller", "scope", "key"]),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.caller}"
