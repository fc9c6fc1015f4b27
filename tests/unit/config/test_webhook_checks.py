import pytest

from config import checks
from config.webhook_checks import check_webhooks


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def test_the_defaults_are_fit_for_the_internet(settings) -> None:
    settings.LONGHAUL = {}
    assert check_webhooks() == []


def test_webhooks_without_tls_are_told(settings) -> None:
    settings.LONGHAUL = {"WEBHOOK_ALLOW_HTTP": "true"}
    assert ids(check_webhooks()) == ["longhaul.W017"]


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        ("10.1.0.0/16", []),
        ("10.1.0.0/16, fd12::/16", []),
        ("169.254.0.0/16", ["longhaul.W018"]),
        ("0.0.0.0/0,::/0", ["longhaul.W018", "longhaul.W018"]),
    ],
)
def test_networks_with_a_metadata_service_are_told(settings, networks, told) -> None:
    settings.LONGHAUL = {"WEBHOOK_ALLOWED_NETWORKS": networks}
    assert ids(check_webhooks()) == told


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "intranet", "10.0.0.0/8;192.168.0.0/16"])
def test_what_is_no_network_is_refused_by_name(settings, networks) -> None:
    settings.LONGHAUL = {"WEBHOOK_ALLOWED_NETWORKS": networks}
    assert "LONGHAUL_WEBHOOK_ALLOWED_NETWORKS" in checks.check_settings()[0].msg
    assert check_webhooks() == []
