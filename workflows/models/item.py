"""One streamed object of a step."""

from django.db import models

from workflows.models.run import Run
from workflows.models.step import Step


class Item(models.Model):
    """One object that a step yielded: numbered per step from 0, never renumbered.

    seq: of the event that announced its present content, which is the cursor of the items endpoint.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="items")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="items")
    attempt = models.PositiveIntegerField()  # number of the forward attempt that wrote it
    index = models.PositiveIntegerField()
    key = models.CharField(max_length=200)
    type = models.CharField(max_length=100)
    data = models.JSONField()
    seq = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(name="item_one_per_index", fields=["step", "index"])]
        indexes = [models.Index(name="item_of_run_by_seq", fields=["run", "seq"])]

    def __str__(self) -> str:
        return f"item {self.index} of {self.step_id}"
