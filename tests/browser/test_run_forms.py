"""A run of the real engine, watched and steered through its page."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from tests import flows
from tests.browser.served import ServedRun
from workflows.models import Run
from workflows.testing import Harness

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def still(browser: Browser) -> Iterator[Page]:
    """A page of a browser without JavaScript."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_the_parts_of_a_fan_out_are_counted_live_in_one_row(
    page: Page, owner: User, longhaul: Harness
) -> None:
    parts = {"parts": list(range(6)), "fails": ["weigh[4]"]}
    run = longhaul.start(flows.fanning, owner=owner, input=parts)
    shown = ServedRun(page, run, owner).open()
    shown.expect_live()
    longhaul.work(run.steps.get(name="pack"))
    shown.tell()
    expect(shown.note("weigh")).to_have_text(re.compile(r"^working · 0 of 6 parts"))
    for done, index in enumerate((3, 0, 5), start=1):
        longhaul.work(run.steps.get(name=f"weigh[{index}]"))
        shown.tell()
        expect(shown.note("weigh")).to_have_text(re.compile(rf"^working · {done} of 6 parts"))
        expect(shown.part("position")).to_have_text(f"Step 2 of 3 · {done} of 6 parts")
    expect(shown.part("bar")).to_have_attribute("aria-valuenow", "50")

    longhaul.work(run.steps.get(name="weigh[4]"))
    shown.tell()
    expect(shown.page.get_by_role("alert")).to_have_text("Weighing: Broken.")
    expect(shown.note("weigh")).to_contain_text("failed · 3 of 6 parts · failed: weigh[4]")
    expect(page.locator(".steps > .step")).to_have_count(3)
    live = page.locator(".steps").inner_text()
    shown.open()
    assert page.locator(".steps").inner_text() == live
    assert shown.trouble == []


def test_the_form_appears_when_the_run_asks_and_goes_when_it_was_answered(
    page: Page, owner: User, longhaul: Harness
) -> None:
    run = longhaul.start(flows.asking, owner=owner)
    shown = ServedRun(page, run, owner).open()
    shown.expect_live()
    asked = page.locator("#answer-approval")
    expect(asked).to_be_hidden()

    longhaul.until_waiting(run)
    shown.tell()
    expect(shown.part("headline")).to_have_text("Waiting for approval")
    expect(shown.part("detail")).to_have_text(re.compile(r"^Until 22\sNov, \d\d:31$"))
    expect(asked).to_be_visible()
    asked.get_by_label("Yes").check()
    asked.get_by_label("Comment").fill("Go ahead.")
    asked.get_by_role("button", name="Send the answer").click()

    page.wait_for_url(f"**/runs/{run.pk}/")
    expect(asked).to_be_hidden()
    shown.expect_live()
    assert run.steps.get(name="approval").output == {"approved": True, "comment": "Go ahead."}
    longhaul.drive(run)
    shown.tell()
    expect(shown.part("headline")).to_have_text("Waiting for pause")
    expect(page.get_by_role("button", name="Go on now")).to_be_visible()
    assert shown.trouble == []


def test_it_is_answered_without_javascript_and_a_fault_stands_beside_its_field(
    still: Page, owner: User, longhaul: Harness
) -> None:
    run = longhaul.until_waiting(longhaul.start(flows.asking, owner=owner))
    ServedRun(still, run, owner).open()
    asked = still.locator("#answer-approval")
    asked.get_by_label("Comment").fill("Perhaps.")
    still.eval_on_selector("#answer-approval form", "form => { form.noValidate = true; }")
    asked.get_by_role("button", name="Send the answer").click()
    expect(asked.locator(".faulty .errorlist")).to_have_text("This field is required.")
    expect(asked.get_by_label("Comment")).to_have_value("Perhaps.")

    asked.get_by_label("No", exact=True).check()
    asked.get_by_role("button", name="Send the answer").click()
    still.wait_for_url(f"**/runs/{run.pk}/")
    expect(asked).to_be_hidden()
    assert run.steps.get(name="approval").output == {"approved": False, "comment": "Perhaps."}


@pytest.mark.parametrize("scripted", [True, False])
def test_a_run_is_stopped_and_undone_from_its_page(
    page: Page, still: Page, owner: User, longhaul: Harness, *, scripted: bool
) -> None:
    run = longhaul.start(flows.branching, owner=owner)
    longhaul.work(run.steps.get(name="pack"))
    held = longhaul.acquire(run.steps.get(name="insure"))
    assert held is not None
    seen = page if scripted else still
    shown = ServedRun(seen, run, owner).open()
    seen.get_by_text("Stop…").click()
    seen.get_by_label("Undo what was done so far as well").check()
    seen.get_by_role("button", name="Stop this run").click()

    expect(shown.part("headline")).to_have_text("Stopping…")
    expect(shown.part("stop")).to_be_hidden()
    assert Run.objects.get(pk=run.pk).undoes_when_cancelled
    longhaul.work_on(held)
    longhaul.finish(run)
    shown.tell() if scripted else shown.open()
    expect(shown.part("headline")).to_have_text("Undone")
    expect(shown.part("gone")).to_contain_text("This run was undone")
    expect(shown.note("pack")).to_have_text("undone")
    assert shown.trouble == []
