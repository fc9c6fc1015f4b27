from config.celery import celery_settings
from outbox.conf import conf as outbox_conf
from workflows.conf import conf


def test_the_time_scale_shrinks_leases_and_beats_but_not_limits_of_the_network(settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "TIME_SCALE": "0.1"}
    assert conf().lease_seconds == 3.0
    assert celery_settings()["beat_schedule"]["sweep"]["schedule"] == 0.1
    assert outbox_conf().nudge_timeout_seconds == 0.05


def test_no_beat_expires_since_that_would_be_a_moment_of_another_hosts_clock():
    for entry in celery_settings()["beat_schedule"].values():
        assert "expires" not in entry.get("options", {})
