from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack, running_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One system for these tests, gone before the browser's: each kills what it wants, the launcher brings it back."""
    folder: Path = tmp_path_factory.mktemp("stack") / "data"
    with running_stack(folder, LONGHAUL_OFFLINE_CHUNK_DELAY_SECONDS="0.003") as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """A failed acceptance test shows the end of every process's log."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if stack is not None and report.when == "call" and report.failed:
        for log in sorted((stack.folder / "logs").glob("*.log")):
            report.sections.append((log.name, stack.tail(log.stem)))
    return report
