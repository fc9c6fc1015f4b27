import os
import subprocess
import sys
import threading

import pytest

from outbox import failpoints


def test_a_failpoint_that_is_not_set_does_nothing():
    failpoints.failpoint("outbox.append.written")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(failpoints, "folder", tmp_path)
    monkeypatch.setattr(failpoints, "is_on", True)
    return tmp_path


def test_a_file_arms_a_failpoint_of_a_running_process_once(folder):
    (folder / "workflows.settle.before").write_text("raise")
    with pytest.raises(failpoints.InjectedFailure):
        failpoints.failpoint("workflows.settle.before", "charge.forward")
    failpoints.failpoint("workflows.settle.before", "charge.forward")
    assert [path.name for path in folder.iterdir()] == [f"workflows.settle.before.hit-{os.getpid()}"]


def test_a_failpoint_armed_for_one_subject_leaves_the_others_alone(folder):
    (folder / "workflows.settle.before@charge.undo").write_text("raise")
    failpoints.failpoint("workflows.settle.before", "charge.forward")
    with pytest.raises(failpoints.InjectedFailure):
        failpoints.failpoint("workflows.settle.before", "charge.undo")


def test_a_waiting_failpoint_goes_on_when_it_is_told_to(folder):
    (folder / "workflows.settle.before").write_text("wait")
    waiting = threading.Thread(target=failpoints.failpoint, args=["workflows.settle.before"])
    waiting.start()
    hit = folder / f"workflows.settle.before.hit-{os.getpid()}"
    assert waiting.is_alive()
    hit.with_name(f"{hit.name}.go").touch()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_clock_can_be_wrong_in_one_process():
    """In a process of its own: it stays wrong."""
    script = (
        "from datetime import UTC, datetime\n"
        "import time, outbox.clock as clock\n"
        "from django.utils import timezone\n"
        "from outbox import failpoints\n"
        "real, before = datetime, time.time()\n"
        "failpoints.action('clock:-3600')(None)\n"
        "for wrong in (clock.datetime.now(UTC), timezone.now()):\n"
        "    assert -3601 < (wrong - real.now(UTC)).total_seconds() < -3599\n"
        "    assert isinstance(wrong, clock.datetime) and isinstance(real.now(UTC), clock.datetime)\n"
        "assert -3601 < time.time() - before < -3599\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_failpoint_that_is_told_to_raise_raises(monkeypatch):
    monkeypatch.setattr(failpoints, "active", failpoints.parse("outbox.append.written=raise"))
    monkeypatch.setattr(failpoints, "is_on", True)
    with pytest.raises(failpoints.InjectedFailure):
        failpoints.failpoint("outbox.append.written")


@pytest.mark.parametrize(
    "text",
    [
        "outbox.apend.written=kill",
        "outbox.append.written=explode",
        "outbox.append.written",
        "outbox.append.written=wait",
    ],
)
def test_a_misspelt_failpoint_is_refused_instead_of_proving_nothing(text):
    with pytest.raises(ValueError, match="failpoint"):
        failpoints.parse(text)
