"""A budget of money needs prices; the offline model, the rules that it reads with."""

from typing import Any

import pytest
from pydantic import BaseModel

from config.model_checks import check_models, check_offline_model
from workflows.definitions import Budget, Workflow, registry, step

HOSTED = {"MODEL_PROVIDER": "openai", "MODEL_NAME": "gpt-4.1-mini"}
BUDGET = {"RUN_BUDGET_COST": "5"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        HOSTED,
        BUDGET,
        {**HOSTED, "RUN_BUDGET_TOKENS": "500000"},
        {**HOSTED, **BUDGET, "MODEL_PRICES": '{"gpt-4.1*": {"input": 0.4, "output": 1.6}}'},
        {**HOSTED, **BUDGET, "MODEL_PRICES": "no JSON"},
    ],
)
def test_what_can_be_known_is_sound(settings: Any, given: dict[str, str]) -> None:
    settings.LONGHAUL = given
    assert check_models() == []


def test_a_budget_of_money_is_refused_for_a_model_without_a_price(settings: Any) -> None:
    settings.LONGHAUL = {**HOSTED, **BUDGET}
    (message,) = check_models()
    assert message.id == "longhaul.E020"
    assert "gpt-4.1-mini" in message.msg
    assert "LONGHAUL_RUN_BUDGET_COST" in message.msg
    assert message.hint is not None
    assert 'LONGHAUL_MODEL_PRICES={"gpt-4.1-mini"' in message.hint


def test_so_is_that_of_a_workflow(settings: Any) -> None:
    class Nothing(BaseModel): ...

    @step(title="Idle")
    def idle(ctx: Any) -> None: ...

    settings.LONGHAUL = HOSTED
    workflow = Workflow("test-dear", version=1, input=Nothing, title="x", steps=[idle], budget=Budget(cost=3))
    try:
        (message,) = check_models()
    finally:
        registry.forget(workflow)
    assert "the budget of workflow test-dear" in message.msg


def test_rules_of_the_offline_model_that_are_not_there_are_named_before_a_step_needs_them(
    settings: Any,
) -> None:
    settings.LONGHAUL = {"OFFLINE_EXTRACTOR": "documents.extraction.extrakt"}
    (message,) = check_offline_model()
    assert message.id == "longhaul.E022"
    assert "extrakt" in message.msg

    settings.LONGHAUL |= {"MODEL_PROVIDER": "openai", "MODEL_NAME": "small"}
    assert check_offline_model() == []
    settings.LONGHAUL = {}
    assert check_offline_model() == []
