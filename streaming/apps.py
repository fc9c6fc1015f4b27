from django.apps import AppConfig


class StreamingConfig(AppConfig):
    """Model bytes in, client frames out."""

    name = "streaming"
    verbose_name = "Streaming"
