"""The settings as a process of its own reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings


def database(**environment: str) -> str:
    """The name of the database that settings.py comes to in this environment."""
    names = ("DATABASE_URL", "LONGHAUL_DATA_DIR")
    rest = {name: value for name, value in os.environ.items() if name not in names}
    program = "from config.settings import DATABASES; d = DATABASES['default']; print(d['ENGINE'], d['NAME'], end='')"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env={**rest, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


@pytest.mark.parametrize("name", ["plus+sign", "per%20cent", "a#hash", "what?", "two words", "höher"])
def test_the_embedded_database_lies_in_the_data_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name

    found = database(LONGHAUL_DATA_DIR=str(folder))

    assert found == f"django.db.backends.sqlite3 {folder.resolve() / 'db.sqlite3'}"


def test_a_database_url_wins(tmp_path: Path) -> None:
    url = "postgres://longhaul:secret@db/orders"

    found = database(LONGHAUL_DATA_DIR=str(tmp_path), DATABASE_URL=url)

    assert found == "django.db.backends.postgresql orders"
