"""`doctor` and `check --deploy`, as a person types them."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings


def typed(folder: Path, *words: str, **environment: str) -> str:
    """All that `manage.py` says to these words, in a process that knows nothing but `environment`."""
    answer = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "LONGHAUL_DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
    )
    return answer.stdout + answer.stderr


def test_the_doctor_says_of_every_value_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("SECRET_KEY=made-once\nLONGHAUL_LEASE_SECONDS=40\n")
    names = ("PORT", "SECRET_KEY", "LONGHAUL_LEASE_SECONDS", "LONGHAUL_TIME_SCALE", "LONGHAUL_FAILPOINTS")

    said = typed(tmp_path, "doctor", PORT="8123")

    lines = {
        line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in said.splitlines() if " " in line
    }
    assert [" ".join(lines[name].split()) for name in names] == [
        "environment 8123",
        "data folder ***",
        "data folder 40",
        "default 1.0",
        "default",
    ]


def test_without_https_a_deployment_is_told_once_which_setting_mends_it(tmp_path: Path) -> None:
    key = "k7" * 30 + "a-b_c=d+e.f,g"

    said = typed(tmp_path, "check", "--deploy", SECRET_KEY=key)
    assert "HTTPS=true" in said
    assert "security.W" not in said
    assert "identified 1 issue" in said

    said = typed(tmp_path, "check", "--deploy", SECRET_KEY=key, HTTPS="true")
    assert "identified no issues (0 silenced)" in said


def test_failpoints_stop_a_deployment_but_not_the_tests_they_are_for(tmp_path: Path) -> None:
    point = {"LONGHAUL_FAILPOINTS": "outbox.relay.appended=kill"}

    assert "longhaul.E013" in typed(tmp_path, "check", "--deploy", **point)
    assert "identified no issues" in typed(tmp_path, "check", **point)
