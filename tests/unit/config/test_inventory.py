from collections import Counter

import pytest
from pydantic import SecretStr

from config import inventory


def test_every_app_has_its_settings_listed() -> None:
    assert {"outbox.conf", "streaming.conf", "workflows.conf", "documents.conf", "config.conf"} <= set(
        inventory.models()
    )


def test_no_two_rooms_read_the_same_setting() -> None:
    """One variable would turn two screws, each with a default of its own."""
    names = Counter(name for model in inventory.models().values() for name in model.model_fields)

    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("module", inventory.models())
def test_every_setting_says_what_it_means(module: str) -> None:
    silent = [
        name for name, field in inventory.models()[module].model_fields.items() if not field.description
    ]

    assert silent == []


def test_a_value_that_is_out_of_range_is_named(settings) -> None:
    settings.LONGHAUL = {"STOP_TIMEOUT_SECONDS": "soon", "RELAY_BATCH_SIZE": "0"}

    models = inventory.models()
    assert [name for name, _ in inventory.faults(models["config.conf"])] == ["LONGHAUL_STOP_TIMEOUT_SECONDS"]
    assert [name for name, _ in inventory.faults(models["outbox.conf"])] == ["LONGHAUL_RELAY_BATCH_SIZE"]


def test_secrets_are_masked_and_numbers_with_a_secret_sounding_name_are_not(settings, monkeypatch) -> None:
    settings.LONGHAUL = {"MODEL_API_KEY": "canary"}
    settings.REDIS_URL = "redis://:canary@host/0"

    shown = {setting.name: setting.value for setting in inventory.settings_now()}

    assert "canary" not in str(shown)
    assert shown["SECRET_KEY"] == "***"
    assert shown["LONGHAUL_MODEL_FIRST_TOKEN_TIMEOUT_SECONDS"] == "120.0"
    assert inventory.models()["streaming.conf"].model_fields["model_api_key"].annotation is SecretStr


def test_the_source_of_a_value_is_told(monkeypatch) -> None:
    monkeypatch.setenv("PORT", "8001")
    monkeypatch.setenv("SECRET_KEY", "made")
    monkeypatch.delenv("HOST", raising=False)

    assert inventory.source_of("PORT", {}) == "environment"
    assert inventory.source_of("SECRET_KEY", {"SECRET_KEY": "made"}) == "data folder"
    assert inventory.source_of("HOST", {}) == "default"
