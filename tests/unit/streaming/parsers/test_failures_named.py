"""docs/model-output.md names a test for each row of the failure catalogue. They exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/model-output.md").read_text()
ROWS = dict(re.findall(r"^\| (J-\d+) \|(.*)\|$", PAGE, re.MULTILINE))


def test_each_row_is_there():
    assert list(ROWS) == [f"J-{number}" for number in range(1, 22)]


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_tests_that_exist(row):
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", ROWS[row])

    assert named
    for file, name in named:
        path = ROOT / file if "/" in file else Path(__file__).parent / file
        assert f"def {name}(" in path.read_text(), f"{file} has no {name}"
