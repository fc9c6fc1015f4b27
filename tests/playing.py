"""State machines of Hypothesis against real rows: a short play with every change, a long one by hand."""

import os

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

# LONGHAUL_EXAMPLES=500 plays so many games; what is found is then made smaller too, which takes its time.
GAMES = 25
STEPS = 40


def play(machine: type[RuleBasedStateMachine]) -> None:
    asked = os.environ.get("LONGHAUL_EXAMPLES")
    generate, shrink = hypothesis.Phase.generate, hypothesis.Phase.shrink
    settings = hypothesis.settings(
        max_examples=int(asked or GAMES),
        stateful_step_count=STEPS,
        phases=[generate, shrink] if asked else [generate],
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(machine, settings=settings)
