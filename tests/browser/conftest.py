"""Real Chromium. `script_page` holds the browser module alone, in a world whose network is a script of the test."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.machine import require

# Playwright's synchronous API keeps a loop running, which Django would take for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# A busy machine paints late; what never comes is noticed all the same.
expect.set_options(timeout=30_000)

ORIGIN = "http://run.test"
STATIC = Path(__file__).resolve().parents[2] / "streaming" / "static" / "streaming"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
BARE_PAGE = """<!doctype html><title>bare</title>
<script type="module">import * as longhaul from "/run-stream.js"; globalThis.longhaul = longhaul;</script>"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": require("chromium"), "headless": True, "args": list(CHROMIUM_FLAGS)}


@pytest.fixture(scope="session")
def base_url() -> None:
    """The plugin's own is defined in a way that pytest warns about."""


@pytest.fixture
def script_page(page: Page) -> Page:
    """An empty page with the module as `longhaul`; its requests go to whom the test routes them."""

    def serve(route: Route) -> None:
        if route.request.url == f"{ORIGIN}/":
            route.fulfill(body=BARE_PAGE, content_type="text/html")
        else:
            route.fulfill(path=STATIC / "run-stream.js", content_type="text/javascript")

    page.route(f"{ORIGIN}/", serve)
    page.route(f"{ORIGIN}/run-stream.js", serve)
    page.goto(f"{ORIGIN}/")
    page.wait_for_function("globalThis.longhaul !== undefined")
    return page
