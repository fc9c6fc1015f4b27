"""Who did what to a run, and why."""

from django.conf import settings
from django.db import models

from workflows.models.run import Run


class AuditEntry(models.Model):
    """One operator action, written in the commit of the action."""

    # A run that is erased leaves its entries behind: who did what, and nothing of its content.
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="audit_entries")
    # The run's id, also once it is erased. Null: written by a process of the first release, while a later one came.
    run_ref = models.UUIDField(null=True, blank=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=50)
    reason = models.TextField(blank=True)
    before = models.CharField(max_length=50)  # the run's state
    after = models.CharField(max_length=50)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
