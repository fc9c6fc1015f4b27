from django.db import models


class Line(models.Model):
    """One line of an invoice: a step that was done, and for how long it took us."""

    run = models.UUIDField()
    seq = models.BigIntegerField()  # of the event: the order of the lines
    step = models.CharField(max_length=100)
    seconds = models.FloatField()

    class Meta:
        app_label = "invoicing"

    def __str__(self) -> str:
        return f"{self.step} of {self.run}"
