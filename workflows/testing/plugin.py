"""The pytest plugin: `pytest_plugins = ["workflows.testing.plugin"]` in the top conftest.py. Needs pytest-django."""

from collections.abc import Generator, Iterator

import pytest

from workflows.testing.harness import Harness
from workflows.testing.isolation import isolated


@pytest.fixture
def longhaul(db: None) -> Iterator[Harness]:
    """A Harness, apart from broker, Redis and time. `@pytest.mark.django_db(transaction=True)` works too."""
    harness = Harness()
    with isolated(harness.clock):
        yield harness


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that passed although its fault never happened has proved nothing. One that failed says enough."""
    yield
    harness = getattr(item, "funcargs", {}).get("longhaul")
    if isinstance(harness, Harness):
        try:
            harness.expect_no_fault_left()
        except AssertionError as error:
            pytest.fail(str(error), pytrace=False)
