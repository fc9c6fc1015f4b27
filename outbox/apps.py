from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Messages that are committed with their cause, and the relay that publishes them."""

    name = "outbox"
    verbose_name = "Outbox"
