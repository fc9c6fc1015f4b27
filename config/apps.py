from django.apps import AppConfig
from django.core.checks import register


class LonghaulConfig(AppConfig):
    """The composition root: Celery, checks and the commands that start everything."""

    name = "config"
    verbose_name = "Longhaul"

    def ready(self) -> None:
        from config import celery, checks, model_checks, queue_checks, webhook_checks  # needs the apps
        from config.described import service_operations
        from workflows.api.description.operations import register as register_operations

        register_operations(service_operations)
        # Any process may send a step to its queue, and so must know the broker.
        celery.app.set_default()
        for check in (
            checks.check_settings,
            checks.check_database,
            checks.check_web,
            checks.check_telemetry,
            checks.check_parsers,
            model_checks.check_models,
            model_checks.check_offline_model,
            queue_checks.check_queues,
        ):
            register(check)
        register(checks.check_deployment, deploy=True)
        register(webhook_checks.check_webhooks, deploy=True)
