"""For processes that only write to the outbox or read its streams: without the other apps they start in a second."""

from config.settings import *  # noqa: F403

INSTALLED_APPS = ["outbox"]
