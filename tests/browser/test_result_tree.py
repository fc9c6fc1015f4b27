"""A result of many levels, opened in place, by keyboard, on a narrow screen, and when the server is away."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import ORIGIN
from tests.browser.served import ServedRun
from tests.integration.workflows.test_result_parts import completed

pytestmark = pytest.mark.django_db(transaction=True)

RESULT = {
    "findings": [
        {"title": f"Finding {number}", "pages": [number, number + 1], "quote": "<img src=x onerror=alert(1)>"}
        for number in range(130)
    ],
    "a name that is so long that no narrow screen has room for it_" + "x" * 80: {
        "deep": {"deeper": {"deepest": 1}}
    },
    "score": 7.5,
    "summary": "The tenant pays the rent. " * 20,
}


@pytest.fixture
def shown(page: Page, owner: User) -> ServedRun:
    served = ServedRun(page, completed(owner, RESULT, is_file=True), owner)
    page.goto(f"{ORIGIN}/runs/{served.run.pk}/result/")
    return served


@pytest.fixture
def still(browser: Browser) -> Iterator[Page]:
    """A page of a browser without JavaScript."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_a_node_is_filled_when_it_is_opened_and_only_then(page: Page, shown: ServedRun) -> None:
    asked: list[str] = []
    page.on("request", lambda request: "?pointer=" in request.url and asked.append(request.url))
    findings = page.locator("details", has=page.locator("summary", has_text="findings")).first
    expect(findings).to_contain_text("130 entries")
    expect(findings).not_to_contain_text("Finding 3")
    findings.locator("summary").first.click()
    expect(findings.locator("> .nodes > li")).to_have_count(50)
    fourth = findings.locator("> .nodes > li > details > summary").nth(3)
    expect(fourth).to_contain_text("Finding 3")
    fourth.click()
    inner = findings.locator("> .nodes > li").nth(3)
    expect(inner.locator(".nodes > li")).to_have_count(3)
    expect(inner).to_contain_text("<img src=x onerror=alert(1)>")
    assert len(asked) == 2
    findings.locator("summary").first.click()
    findings.locator("summary").first.click()
    expect(findings.locator("> .nodes > li")).to_have_count(50)
    assert len(asked) == 2
    assert shown.trouble == []


def test_more_is_appended_until_all_of_a_list_is_there(page: Page, shown: ServedRun) -> None:
    findings = page.locator("details", has=page.locator("summary", has_text="findings")).first
    findings.locator("summary").first.click()
    lines = findings.locator("> .nodes > li")
    expect(findings.locator(".more")).to_contain_text("50 of 130 shown")
    for count in (100, 130):
        findings.get_by_role("link", name="Show more").click()
        expect(lines).to_have_count(count)
    expect(findings.locator(".more")).to_have_count(0)
    assert lines.locator("> details > summary > .key").all_inner_texts() == [
        str(number) for number in range(130)
    ]
    assert page.url.endswith("/result/")
    assert shown.trouble == []


def test_the_tree_is_walked_by_keyboard_alone(page: Page, shown: ServedRun) -> None:
    page.locator("summary", has_text="findings").focus()
    page.keyboard.press("Enter")
    more = page.get_by_role("link", name="Show more")
    expect(more).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("50 lines below findings")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details details")).to_have_count(100)
    focused = page.evaluate("document.activeElement.querySelector('.key').textContent")
    assert focused == "50"
    page.keyboard.press("Space")
    expect(page.locator("details details[open] .nodes > li")).to_have_count(3)


def test_a_level_that_cannot_be_had_says_so_and_can_be_asked_for_again(page: Page, shown: ServedRun) -> None:
    def away(route: Route) -> None:
        route.abort()

    page.route("**/result/?pointer=**", away)
    summary = page.locator("summary", has_text="findings")
    summary.click()
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached. Try again in a while.")
    page.unroute("**/result/?pointer=**", away)
    summary.click()
    summary.click()
    expect(page.locator("details details")).to_have_count(50)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_whoever_was_signed_out_is_told(page: Page, shown: ServedRun) -> None:
    shown.client.logout()
    page.locator("summary", has_text="findings").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("details details")).to_have_count(0)


def test_nothing_stands_out_of_a_narrow_screen(page: Page, shown: ServedRun) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.reload()
    for name in ("a name that", "deep", "deeper"):
        page.locator("summary", has_text=name).last.click()
        expect(page.locator("details[open][data-level]")).to_have_count(0)
    page.locator("summary", has_text="findings").click()
    expect(page.get_by_text("50 of 130 shown")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_without_javascript_each_level_is_a_page(still: Page, owner: User) -> None:
    served = ServedRun(still, completed(owner, RESULT, is_file=True), owner)
    still.goto(f"{ORIGIN}/runs/{served.run.pk}/result/")
    still.locator("summary", has_text="findings").click()
    still.get_by_role("link", name="Open").first.click()
    still.get_by_role("link", name="Show more").click()
    expect(still.locator(".key").first).to_have_text("50")
    still.get_by_role("link", name="From the beginning").click()
    expect(still.locator(".key").first).to_have_text("0")
    still.get_by_role("link", name="Result", exact=True).click()
    expect(still.locator("summary", has_text="findings")).to_be_visible()


def test_a_text_from_right_to_left_turns_around_nothing_but_itself(page: Page, owner: User) -> None:
    served = ServedRun(page, completed(owner, {"\u202ekey": {"title": "label"}}, is_file=False), owner)
    page.goto(f"{ORIGIN}/runs/{served.run.pk}/result/")
    key, label = (page.locator(f"summary .{name}").bounding_box() for name in ("key", "label"))
    assert key is not None
    assert label is not None
    assert key["x"] + key["width"] <= label["x"]
