from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WorkflowsConfig(AppConfig):
    """The saga engine: runs, steps, attempts and their items."""

    name = "workflows"
    verbose_name = "Workflows"

    def ready(self) -> None:
        # Like admin.py: each app's flows.py registers its definitions, in every process, or start fails loudly.
        autodiscover_modules("flows")
