"""`manage.py check`: whether a model can be asked, and its cost be bounded. Numbered in `config/checks.py`."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from config import inventory
from streaming.conf import StreamingSettings
from streaming.conf import conf as streaming_conf
from streaming.prices import price_of
from workflows.conf import WorkflowSettings
from workflows.conf import conf as workflow_conf
from workflows.definitions import find, registry


def check_models(**_: Any) -> list[CheckMessage]:
    if inventory.faults(StreamingSettings) or inventory.faults(WorkflowSettings):  # longhaul.E002 has said so
        return []
    models, bounds = streaming_conf(), _bounds()
    if models.model_provider != "openai" or price_of(models.model_name, models.model_prices) or not bounds:
        return []
    example = f'{{"{models.model_name}": {{"input": …, "output": …}}}}'
    return [
        Error(
            f"What {models.model_name} costs is not known, and {bounds[0]} bounds it: each step that asks it would "
            "fail.",
            hint=f"Add it: LONGHAUL_MODEL_PRICES={example}, of a million tokens.",
            id="longhaul.E020",
        )
    ]


def _bounds() -> list[str]:
    """What bounds the cost of runs."""
    bounds = ["LONGHAUL_RUN_BUDGET_COST"] if workflow_conf().run_budget_cost else []
    workflows = map(find, registry.names())
    return bounds + [
        f"the budget of workflow {workflow.name}"
        for workflow in workflows
        if workflow.budget is not None and workflow.budget.cost is not None
    ]


def check_offline_model(**_: Any) -> list[CheckMessage]:
    if inventory.faults(StreamingSettings) or streaming_conf().model_provider != "offline":
        return []
    try:
        import_string(streaming_conf().offline_extractor)
    except ImportError as error:
        return [
            Error(
                f"What the offline model reads with cannot be imported: {error}.",
                hint="LONGHAUL_OFFLINE_EXTRACTOR=package.module.function, from the text of a prompt to objects.",
                id="longhaul.E022",
            )
        ]
    return []
