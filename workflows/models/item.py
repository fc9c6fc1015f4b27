"""One streamed object of a step."""

from django.db import models

from workflows.engine.storable import ItemDecoder
from workflows.models.run import Run
from workflows.models.step import Step


class ItemQuerySet(models.QuerySet["Item"]):
    def current(self) -> "ItemQuerySet":
        """Those that no later attempt replaced or retracted."""
        return self.filter(replaced_by_attempt=None, retracted_by_attempt=None)


class Item(models.Model):
    """One object that a step yielded: numbered per step from 0, never renumbered, never deleted by a retry.

    seq: of the event that announced its present content, which is the cursor of the items endpoint.
    It is current while no later attempt replaced or retracted it; nearly all who read items mean those.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="items")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="items")
    attempt = models.PositiveIntegerField()  # number of the forward attempt that wrote it
    index = models.PositiveIntegerField()
    key = models.CharField(max_length=200)
    type = models.CharField(max_length=100)
    data = models.JSONField(decoder=ItemDecoder)
    seq = models.BigIntegerField()
    created_at = models.DateTimeField()
    # Numbers of forward attempts, as `attempt`. At most one of them is there.
    replaced_by_attempt = models.PositiveIntegerField(null=True, blank=True)
    retracted_by_attempt = models.PositiveIntegerField(null=True, blank=True)

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(name="item_one_per_index", fields=["step", "index"])]
        indexes = [models.Index(name="item_of_run_by_seq", fields=["run", "seq"])]

    def __str__(self) -> str:
        return f"item {self.index} of {self.step_id}"

    @property
    def is_current(self) -> bool:
        """No later attempt replaced or retracted it."""
        return self.replaced_by_attempt is None and self.retracted_by_attempt is None
