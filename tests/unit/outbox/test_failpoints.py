import os
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

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


def test_a_clock_can_be_wrong_in_one_process(monkeypatch):
    monkeypatch.setattr(timezone, "now", timezone.now)
    monkeypatch.setattr(time, "time", time.time)
    before = timezone.now()
    failpoints.action("clock:-3600")(None)
    assert timezone.now() - before < timedelta(minutes=-59)


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
