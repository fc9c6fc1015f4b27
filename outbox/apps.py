from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class OutboxConfig(AppConfig):
    """Messages that are committed with their cause, the relay that publishes them, and what is done on it."""

    name = "outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        # Like admin.py: each app's consumers.py says what it does on events, or start fails loudly.
        autodiscover_modules("consumers")
