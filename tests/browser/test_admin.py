"""The admin over a whole system: an operator watches a run, undoes it, and sees that happen too."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack, running_stack

RUN_MS = 120_000
PICTURES = os.environ.get("LONGHAUL_PICTURES")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "data"
    hurry = {"LONGHAUL_OFFLINE_CHUNK_DELAY_SECONDS": "0.006", "PYTHONUNBUFFERED": "1"}
    with running_stack(folder, **hurry) as running:
        yield running


def sign_in(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(stack.env["ADMIN_PASSWORD"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Runs", exact=True).first).to_be_visible()


def open_run(page: Page, stack: Stack, run: str) -> None:
    page.goto(f"{stack.url}/admin/workflows/run/{run}/change/")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def test_an_operator_sees_a_run_move_and_undoes_it(page: Page, stack: Stack) -> None:
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    sign_in(page, stack)
    run = stack.start_run()
    stack.wait_until_items(run, at_least=2)
    open_run(page, stack, run)
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))

    head, count = page.locator("#lh-head .lh-state"), page.locator("#items .lh-count")
    expect(page.locator("[data-freshness=live]")).to_have_text(re.compile("Up to date"), timeout=RUN_MS)
    expect(head).to_have_text("running")
    before = count.inner_text()  # not the rows: the page shows only so many of them
    # What the operator opened stays open while the page is kept true around it.
    opened = page.locator("#lh-head details")
    opened.locator("summary").click()
    expect(opened.locator("pre")).to_contain_text("lease.pdf")
    expect(count).not_to_have_text(before, timeout=RUN_MS)
    picture(page, "admin-run-live")

    expect(head).to_have_text("completed", timeout=RUN_MS)
    expect(page.locator("#lh-freshness")).to_have_text("Up to date: the run is at rest", timeout=RUN_MS)
    expect(opened.locator("pre")).to_contain_text("lease.pdf")
    assert page.locator("#steps tbody tr").count() == page.locator("#steps [data-state=completed]").count()
    picture(page, "admin-run")

    page.get_by_role("link", name="Undo…").click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    assert loads == [page.url]  # until here nothing was loaded anew
    page.get_by_label("Reason").fill("The wrong document.")
    page.get_by_role("button", name="Undo").click()

    expect(page.locator(".messagelist")).to_contain_text("Being undone")
    expect(head).to_have_text("compensated", timeout=RUN_MS)
    expect(page.locator("#audit")).to_contain_text("The wrong document.")
    expect(page.locator("#lh-timeline")).to_contain_text("undo")
    assert trouble == []


def test_the_list_follows_its_runs_without_being_loaded_again(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    run = stack.start_run()
    page.goto(f"{stack.url}/admin/workflows/run/")
    row = page.locator("tr", has=page.locator(f"a[href*='{run}']"))
    expect(row.locator(".lh-state")).not_to_have_text("completed")
    row.get_by_role("checkbox").check()
    expect(row.locator(".lh-state")).to_have_text("completed", timeout=RUN_MS)
    expect(page.locator("#lh-freshness")).to_have_text("Up to date", timeout=RUN_MS)
    expect(row.get_by_role("checkbox")).to_be_checked()
    picture(page, "admin-runs")

    page.locator("select[name=action]").select_option(label="Undo…")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    page.get_by_role("link", name="Leave it as it is").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()

    stack.start_run()
    expect(page.locator("#lh-freshness")).to_have_text("There are other runs by now", timeout=RUN_MS)


def test_without_javascript_the_admin_is_complete(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, stack)
    run = stack.start_run()
    stack.wait_until_finished(run)
    open_run(page, stack, run)
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#lh-head .lh-state")).to_have_text("completed")
    page.locator("#events summary").first.click()
    page.locator("#events details[open] a").click()
    expect(page.locator("body")).to_contain_text("items_count")

    open_run(page, stack, run)
    page.get_by_role("link", name="Undo…").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".messagelist")).to_contain_text("Being undone")
    context.close()


def test_a_phone_scrolls_tables_and_not_the_page(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark", is_mobile=True)
    page = context.new_page()
    sign_in(page, stack)
    run = stack.start_run()
    for address in ("", f"{run}/change/"):
        page.goto(f"{stack.url}/admin/workflows/run/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
    context.close()


@pytest.mark.parametrize("width", [1280, 1440])
def test_a_laptop_shows_every_column_without_scrolling(browser: Browser, stack: Stack, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    sign_in(page, stack)
    run = stack.start_run()
    stack.wait_until_items(run, at_least=2)
    wider = """() => [document.documentElement, ...document.querySelectorAll(".results, .lh-scroll")]
        .filter(box => box.scrollWidth > box.clientWidth)
        .map(box => `${box.className} of ${box.closest("section")?.id}`)"""

    for address in (
        "workflows/run/",
        f"workflows/run/{run}/change/",
        "outbox/stream/",
        "workflows/auditentry/",
    ):
        page.goto(f"{stack.url}/admin/{address}")
        expect(page.locator("#content h1")).to_be_visible()
        assert page.evaluate(wider) == [], address
    page.close()


def test_a_table_that_is_too_wide_scrolls_in_its_own_box(browser: Browser, stack: Stack) -> None:
    page = browser.new_page(viewport={"width": 1024, "height": 800})
    sign_in(page, stack)
    stack.wait_until_finished(stack.start_run())
    page.goto(f"{stack.url}/admin/workflows/run/")
    box = page.locator(".results")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024

    created = page.locator("#result_list .field-age").first
    created.scroll_into_view_if_needed()

    assert box.evaluate("box => box.scrollLeft") > 0
    frame, cell = box.bounding_box(), created.bounding_box()
    assert frame is not None
    assert cell is not None
    assert cell["x"] + cell["width"] <= frame["x"] + frame["width"] + 1
    page.close()
