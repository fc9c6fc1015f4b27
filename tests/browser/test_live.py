"""The whole system in real processes, seen through real Chromium: a document goes in, a live report comes out."""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import SAMPLE, Stack, running_stack

RUN_MS = 120_000
RUN_ADDRESS = re.compile(r"/runs/([0-9a-f-]{36})/$")
# With LONGHAUL_PICTURES=<folder> the tests leave their pictures there, for the README.
PICTURES = os.environ.get("LONGHAUL_PICTURES")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "data"
    # A fifth of the offline model's human pace: slow enough to be watched, fast enough for a suite.
    hurry = {"LONGHAUL_OFFLINE_CHUNK_DELAY_SECONDS": "0.006", "PYTHONUNBUFFERED": "1"}
    with running_stack(folder, **hurry) as running:
        yield running


def sign_in(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(stack.env["DEMO_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is in your document?")


def hand_in(page: Page, document: Path = SAMPLE) -> str:
    """Upload through the form; returns the run's id."""
    page.get_by_label("Choose a document").set_input_files(document)
    page.get_by_role("button", name="Analyse it").click()
    page.wait_for_url(RUN_ADDRESS)
    found = RUN_ADDRESS.search(page.url)
    assert found is not None
    return found[1]


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(600)  # what moves has come to rest
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def keys_of(page: Page) -> list[str]:
    return [
        str(key)
        for key in page.eval_on_selector_all(".cards > .card", "cards => cards.map(card => card.dataset.key)")
    ]


def items_of(stack: Stack, run: str) -> list[dict[str, Any]]:
    return list(stack.get(f"/api/v1/runs/{run}/items", params={"limit": 200}).json()["items"])


def stored_keys(stack: Stack, run: str) -> list[str]:
    return [item["key"] for item in items_of(stack, run)]


def test_a_document_goes_in_and_a_live_report_comes_out(page: Page, stack: Stack) -> None:
    foreign: list[str] = []
    page.on(
        "request", lambda request: None if request.url.startswith(stack.url) else foreign.append(request.url)
    )
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    sign_in(page, stack)
    picture(page, "home")
    run = hand_in(page)

    cards = page.locator(".cards > .card")
    expect(page.locator("[data-freshness=live]")).to_be_visible(timeout=RUN_MS)
    expect(cards.nth(2)).to_be_visible(timeout=RUN_MS)
    # Seen before the step ends: the findings are shown as the model writes them.
    expect(page.locator(".step[data-step=extract_findings]")).to_have_attribute("data-state", "running")
    picture(page, "live")

    before = cards.count()
    page.reload()
    expect(cards.nth(before - 1)).to_be_visible()
    keys = keys_of(page)  # once: more come while one looks
    assert len(set(keys)) == len(keys)
    expect(cards.nth(before)).to_be_visible(timeout=RUN_MS)

    report = page.get_by_role("link", name="Download the PDF")
    expect(report).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_text("Finished", exact=True)).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    assert keys_of(page) == stored_keys(stack, run)
    picture(page, "finished")
    with page.expect_download() as download:
        report.click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_role("link", name="Read it here").click()
    expect(page.locator("h1")).to_contain_text("lease")
    assert foreign == []
    assert trouble == []


def test_a_finding_is_seen_growing_before_it_is_a_card(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    # Each state of each half card, as the page painted it: looking from outside would miss most.
    page.add_init_script(
        """globalThis.grown = [];
        addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
          const half = document.querySelector(".halves > .half blockquote:not([hidden])");
          if (half && grown.at(-1) !== half.textContent) grown.push(half.textContent);
        }).observe(document, { subtree: true, childList: true, characterData: true }));"""
    )
    run = hand_in(page)
    half = page.locator(".halves > .half")
    expect(half.locator("blockquote")).to_be_visible(timeout=RUN_MS)
    expect(half).to_contain_text("Being written…")
    picture(page, "being-written")
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=RUN_MS)

    expect(half).to_have_count(0)
    grown = page.evaluate("grown")
    quotes = [item["value"]["quote"] for item in items_of(stack, run)]
    assert all(any(quote.startswith(part) for quote in quotes) for part in grown)
    assert [
        before for before, after in pairwise(grown) if len(before) < len(after) and after.startswith(before)
    ]
    assert keys_of(page) == stored_keys(stack, run)


def test_the_page_survives_a_restart_of_the_web_process(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    run = hand_in(page)
    expect(page.locator(".cards > .card").nth(1)).to_be_visible(timeout=RUN_MS)

    stack.kill("web")

    expect(page.get_by_role("link", name="Download the PDF")).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=RUN_MS)
    assert keys_of(page) == stored_keys(stack, run)


def test_without_javascript_each_load_is_the_truth(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, stack)
    run = hand_in(page)
    expect(page.get_by_text(re.compile(r"As of \d\d:\d\d:\d\d UTC"))).to_be_visible()

    stack.wait_until_items(run, at_least=2)
    page.get_by_role("button", name="Refresh").click()
    assert len(keys_of_markup(page)) >= 2
    picture(page, "without-javascript")

    stack.wait_until_finished(run)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    expect(page.get_by_role("link", name="Download the PDF")).to_be_visible()
    assert keys_of_markup(page) == stored_keys(stack, run)
    context.close()


def keys_of_markup(page: Page) -> list[str]:
    return [str(card.get_attribute("data-key")) for card in page.locator(".cards > .card").all()]


def test_a_share_link_shows_a_run_live_to_a_browser_that_never_signed_in(
    browser: Browser, stack: Stack
) -> None:
    run = stack.start_run()
    made = httpx.post(
        f"{stack.url}/api/v1/runs/{run}/share-links", json={"scopes": ["items", "result"]}, auth=stack.auth
    ).json()
    context = browser.new_context()
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(made["url"])

    expect(page.locator(".cards > .card").nth(2)).to_be_visible(timeout=RUN_MS)
    expect(page.locator("[data-freshness=live]")).to_be_visible(timeout=RUN_MS)
    assert page.locator("[data-part=stop]").count() == 0
    report = page.get_by_role("link", name="Download the PDF")
    expect(report).to_be_visible(timeout=RUN_MS)
    assert keys_of(page) == stored_keys(stack, run)
    with page.expect_download() as download:
        report.click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    assert trouble == []
    context.close()


def test_a_document_that_cannot_be_read_ends_in_a_sentence(page: Page, stack: Stack, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(SAMPLE.read_bytes()[:400])
    sign_in(page, stack)
    page.get_by_label("Choose a document").set_input_files(broken)
    page.get_by_role("button", name="Analyse it").click()

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Choose a document")).to_be_visible()


def test_a_document_that_is_far_too_large_is_answered_by_the_form(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    large = tmp_path / "large.pdf"
    large.write_bytes(b"%PDF-1.7\n" + bytes(60_000_000))
    sign_in(page, stack)
    page.get_by_label("Choose a document").set_input_files(large)
    page.get_by_role("button", name="Analyse it").click()

    expect(page.get_by_role("alert")).to_contain_text("larger than 20 MB", timeout=RUN_MS)


def test_a_phone_in_the_dark_sees_all_of_it(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(
        viewport={"width": 375, "height": 740}, device_scale_factor=2, color_scheme="dark", is_mobile=True
    )
    page = context.new_page()
    sign_in(page, stack)
    hand_in(page)
    expect(page.locator(".cards > .card").nth(2)).to_be_visible(timeout=RUN_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    picture(page, "phone-dark")
    context.close()
