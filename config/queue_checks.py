"""`manage.py check`: whether somebody takes the steps up. Numbered in `config/checks.py`."""

from typing import Any

from django.core.checks import CheckMessage, Warning

from config.celery import app
from workflows.definitions import find, registry


def check_queues(**_: Any) -> list[CheckMessage]:
    served = served_queues()
    return [
        Warning(
            f"Step {step.name} of {workflow.name} waits in the queue {step.queue!r}, which no worker here serves.",
            hint=f"Take one of {', '.join(sorted(served))}, or add the queue to config/celery.py and a worker with "
            f"--queues {step.queue} to the Procfile.",
            id="longhaul.W021",
        )
        for workflow in map(find, registry.names())
        for step in workflow.steps
        if step.queue not in served
    ]


def served_queues() -> set[str]:
    """Those that steps may name: the relay and the sweeper need theirs for themselves."""
    return {queue.name for queue in app.conf.task_queues} - {"relay"}
