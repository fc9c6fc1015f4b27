"""The example of docs/testing.md is code: it is taken from there and run as a team would, with its own pytest."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/testing.md").read_text()
BLOCKS = re.findall(r"```(?:python|ini)\n(.*?)```", GUIDE, re.DOTALL)


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Not the suite's settings: the product's own, which name a broker and a Redis that nobody runs."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "PYTHONPATH": str(ROOT),
        "LONGHAUL_DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "BROKER_URL": "redis://127.0.0.1:1/0",
    }
    for name in ("DJANGO_SETTINGS_MODULE", "CI"):  # in CI pytest says everything in full, and more often
        environment.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_guides_example_passes_with_nothing_around_it(tmp_path):
    for name, block in zip(("pytest.ini", "conftest.py", "test_letters.py"), BLOCKS, strict=True):
        (tmp_path / name).write_text(block)
    ended = run_pytest(tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout[-3_000:] + ended.stderr[-1_000:]
    assert "127.0.0.1:1" not in ended.stdout + ended.stderr


def test_a_fault_that_never_happens_fails_a_test_that_passes_otherwise(tmp_path):
    (tmp_path / "pytest.ini").write_text(BLOCKS[0])
    (tmp_path / "conftest.py").write_text(BLOCKS[1])
    (tmp_path / "test_nothing.py").write_text(
        "def test_nothing(longhaul):\n    longhaul.fault('pack', 'die_in_body')\n"
        "def test_that_fails(longhaul):\n    longhaul.fault('pack', 'die_in_body')\n    assert not longhaul\n"
    )
    ended = run_pytest(tmp_path)
    assert "2 failed" in ended.stdout, ended.stdout[-3_000:]
    assert (
        ended.stdout.count("never happened: die_in_body of pack") == 2
    )  # of the first one, and in its summary
