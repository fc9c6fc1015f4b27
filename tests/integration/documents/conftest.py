"""An empty storage for each test, and settings of the document service by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.machine import require


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> Path:
    """The folder behind the default storage."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture(scope="session")
def tesseract() -> str:
    """For tests that read a scan."""
    return require("tesseract")


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """`configure(upload_max_pages=3)`"""

    def change(**values: Any) -> None:
        settings.LONGHAUL = {**settings.LONGHAUL, **{name.upper(): value for name, value in values.items()}}

    return change


@pytest.fixture
def stored(storage: Path) -> Callable[[], list[str]]:
    """The files in the storage, by their names there."""
    return lambda: sorted(str(path.relative_to(storage)) for path in storage.rglob("*") if path.is_file())
