"""The prompt, the key and the patience of the tests that ask a model."""

import pytest

from streaming.llm import ModelError, Prompt
from streaming.llm.patience import Patience

KEY = "sk-very-secret-0123456789"
PROMPT = Prompt(system="Be brief.", text="[page 1]\nThe rent is 900 €.")
# For answers that never come, and for those that do: a busy machine takes its time to say a first word.
QUICK = Patience(connect_seconds=5, first_token_seconds=1, idle_seconds=0.5)
STEADY = Patience(connect_seconds=10, first_token_seconds=10, idle_seconds=2)


def failure(model) -> ModelError:
    with pytest.raises(ModelError) as caught:
        list(model.stream(PROMPT))
    return caught.value
