import os

import ijson
import pytest

from config import checks
from workflows.definitions import registry


def ids(messages) -> set[str]:
    return {message.id for message in messages}


def test_the_defaults_are_sound(settings) -> None:
    settings.LONGHAUL = {}

    assert checks.check_settings() == []
    assert checks.check_database() == []
    assert checks.check_web() == []


def test_an_unknown_setting_is_refused_with_the_one_that_was_meant(settings) -> None:
    settings.LONGHAUL = {"LEASE_SECOND": "30"}

    (message,) = checks.check_settings()

    assert message.id == "longhaul.E001"
    assert "LONGHAUL_LEASE_SECOND" in message.msg
    assert message.hint == "Did you mean LONGHAUL_LEASE_SECONDS?"


def test_a_value_of_the_wrong_kind_is_refused_by_name(settings) -> None:
    settings.LONGHAUL = {"LEASE_SECONDS": "half a minute"}

    (message,) = checks.check_settings()

    assert message.id == "longhaul.E002"
    assert message.msg.startswith("LONGHAUL_LEASE_SECONDS: ")


def test_a_lease_must_outlive_two_heartbeats(settings) -> None:
    settings.LONGHAUL = {"LEASE_SECONDS": "15", "LEASE_HEARTBEAT_SECONDS": "10"}

    assert "longhaul.E003" in ids(checks.check_settings())


def test_the_broker_must_hide_a_message_longer_than_any_step_takes(settings) -> None:
    assert registry.names()
    settings.LONGHAUL = {"BROKER_VISIBILITY_TIMEOUT_SECONDS": "60"}

    messages = checks.check_settings()

    assert ids(messages) == {"longhaul.E004"}
    assert "60 s" in messages[0].msg


def test_the_relay_must_leave_a_slot_for_the_sweeper(settings, monkeypatch) -> None:
    monkeypatch.setenv("RELAY_CONCURRENCY", "1")
    assert ids(checks.check_settings()) == {"longhaul.E009"}


def test_a_relay_must_linger_until_beat_sends_the_next(settings) -> None:
    settings.LONGHAUL = {"RELAY_LINGER_SECONDS": "10"}
    assert ids(checks.check_settings()) == {"longhaul.E009"}


def test_an_item_must_fit_into_its_event(settings) -> None:
    settings.LONGHAUL = {"ITEM_MAX_BYTES": "31000"}

    (message,) = checks.check_settings()

    assert message.id == "longhaul.E011"
    assert "31000" in message.msg
    assert message.hint is not None
    assert "LONGHAUL_MAX_PAYLOAD_BYTES" in message.hint


def test_a_step_is_more_patient_than_the_activity_of_a_model_is_noted(settings) -> None:
    settings.LONGHAUL = {"ACTIVITY_INTERVAL_SECONDS": "151"}

    messages = checks.check_settings()

    assert ids(messages) == {"longhaul.E012"}
    assert any(message.msg.startswith("Step extract_findings of document-analysis") for message in messages)


def test_a_concurrency_that_is_no_number_is_refused(settings, monkeypatch) -> None:
    settings.LONGHAUL = {}
    monkeypatch.setenv("RELAY_CONCURRENCY", "many")

    (message,) = checks.check_settings()

    assert message.id == "longhaul.E002"
    assert message.msg.startswith("RELAY_CONCURRENCY")


def test_sqlite_must_wait_for_its_writer(settings, monkeypatch) -> None:
    monkeypatch.setitem(
        settings.DATABASES, "default", {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}
    )

    assert ids(checks.check_database()) == {"longhaul.E005"}


def test_debug_is_not_for_a_public_server(settings) -> None:
    settings.DEBUG = settings.HTTPS = True

    assert ids(checks.check_web()) == {"longhaul.E006"}


def test_sockets_are_not_open_to_every_origin(settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert ids(checks.check_web()) == {"longhaul.E008"}


@pytest.fixture
def deployment(settings) -> None:
    """Settings with which a public server may start."""
    settings.SECRET_KEY = "k" * 60
    settings.REDIS_URL = "rediss://:secret@cache:6379/0"
    settings.BROKER_URL = "redis://127.0.0.1:6379/0"
    settings.HTTPS = True


@pytest.mark.usefixtures("deployment")
def test_a_sound_deployment_passes() -> None:
    assert checks.check_deployment() == []


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize("url", ["redis://cache:6379/0", "redis://10.0.0.1/0"])
def test_a_deployment_needs_a_key_and_passwords(settings, url: str) -> None:
    settings.SECRET_KEY = "insecure-" + "x" * 50
    settings.REDIS_URL = settings.BROKER_URL = url

    assert ids(checks.check_deployment()) == {"longhaul.E007", "longhaul.W010"}


@pytest.mark.usefixtures("deployment")
def test_shrunk_times_are_not_for_production(settings) -> None:
    settings.LONGHAUL = {"TIME_SCALE": "0.1"}

    (message,) = checks.check_deployment()

    assert message.id == "longhaul.W014"
    assert message.msg.startswith("LONGHAUL_TIME_SCALE=0.1 ")


@pytest.mark.usefixtures("deployment")
def test_a_value_of_the_wrong_kind_does_not_break_the_checks_of_a_deployment(settings) -> None:
    settings.LONGHAUL = {"TIME_SCALE": "fast"}

    assert checks.check_deployment() == []


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize("name", ["LONGHAUL_FAILPOINTS", "LONGHAUL_FAILPOINTS_DIR"])
def test_failpoints_are_not_for_production(monkeypatch, name: str) -> None:
    monkeypatch.setenv(name, "/tmp/points")

    (message,) = checks.check_deployment()

    assert message.id == "longhaul.E013"
    assert message.is_serious()
    assert message.msg.startswith(f"{name} is set")


@pytest.mark.usefixtures("deployment")
def test_a_deployment_without_https_is_told_the_one_switch_for_it(settings) -> None:
    settings.HTTPS = False

    (message,) = checks.check_deployment()

    assert message.id == "longhaul.W015"
    assert "HTTPS=true" in str(message.hint)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-5"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1"),
    ],
)
def test_a_variable_that_the_exporter_does_not_take_is_named(settings, monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "longhaul")
    assert checks.check_telemetry() == [], "nothing is exported"

    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:9"
    (message,) = checks.check_telemetry()

    assert message.id == "longhaul.E016"
    assert message.msg.startswith(f"{name}: ")
    assert "OTEL_SERVICE_NAME" not in message.msg
    assert os.environ[name] == value


def test_an_exporter_that_can_be_made_is_sound(settings) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:9"

    assert checks.check_telemetry() == []


def test_the_compiled_parser_of_documents_is_missed(monkeypatch) -> None:
    assert checks.check_parsers() == []

    monkeypatch.setattr("streaming.parsers.skipping.BACKEND", ijson.get_backend("python"))

    (message,) = checks.check_parsers()
    assert message.id == "longhaul.W019"
    assert "python backend" in message.msg
