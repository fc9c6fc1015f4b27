"""docs/usage.md says what is so."""

import json
import re
from pathlib import Path

from config import inventory
from streaming.conf import StreamingSettings
from streaming.llm import Finish, Usage
from streaming.prices import BYTES_PER_TOKEN
from tests.fakes import FakeRecords
from workflows.conf import WorkflowSettings
from workflows.execution.calls import Call
from workflows.execution.meter import CHECK_BYTES, Meter

GUIDE = Path("docs/usage.md").read_text()


def test_every_setting_in_it_exists() -> None:
    named = set(re.findall(r"LONGHAUL_([A-Z_]+)", GUIDE))
    assert named
    assert named <= inventory.known_names()


def test_its_table_names_all_that_an_attempt_says() -> None:
    meter = Meter(FakeRecords(), prices={})
    meter.asked("m", "x").finished(Finish("stop", Usage()))
    table = GUIDE.partition("## What an attempt says")[2].partition("## Prices")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)
    }
    assert named == set(meter.usage)


def test_its_prices_are_a_table() -> None:
    (table,) = re.findall(r"LONGHAUL_MODEL_PRICES='(.*)'", GUIDE)
    assert set(StreamingSettings(model_prices=table).model_prices) >= set(json.loads(table))


def test_its_numbers_are_the_defaults() -> None:
    settings = WorkflowSettings()
    assert settings.budget_interval_seconds == 5
    assert settings.usage_interval_seconds == 1
    assert f"every {CHECK_BYTES // BYTES_PER_TOKEN} tokens" in GUIDE
    assert f"one for {BYTES_PER_TOKEN} bytes" in GUIDE


def test_its_methods_exist() -> None:
    for name in re.findall(r"ctx\.meter\.(\w+)\(", GUIDE):
        assert hasattr(Meter, name)
    for name in re.findall(r"call\.(\w+)\(", GUIDE):
        assert hasattr(Call, name)
