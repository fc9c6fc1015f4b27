"""`<run-progress>` around the server's own markup, under the strictest policy, fed event by event."""

import json
import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Locator, Page, Route, expect

from streaming.parsers import PartialReader
from tests.browser.conftest import ORIGIN, STATIC
from tests.browser.scripted import RUN, ScriptedServer
from tests.browser.served import POLICY
from workflows.pages.views import page_context

STEPS = [("read", "Reading the document"), ("find", "Finding the facts"), ("write", "Writing the report")]
ERROR = {"code": "closed", "detail": "The model went silent.", "retryable": True}
HOSTILE = '<img src=x onerror="document.title=1">'


def moment(seconds: float = 0) -> str:
    return (
        (datetime.now(UTC) + timedelta(seconds=seconds))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def snapshot(**fields: Any) -> dict[str, Any]:
    steps = [
        {
            "name": name,
            "title": title,
            "position": position,
            "stage": position,
            "branch": 0,
            "state": "pending",
            "state_info": "",
            "attempt": 0,
            "max_attempts": 3,
            "progress": None,
            "items_count": 0,
            "due_at": None,
            "started_at": None,
            "finished_at": None,
            "error": None,
        }
        for position, (name, title) in enumerate(STEPS)
    ]
    steps[0] |= {"state": "completed", "attempt": 1, "started_at": moment(-9), "finished_at": moment(-5)}
    steps[1] |= {"state": "running", "attempt": 1, "started_at": moment(-5)}
    address = f"/api/v1/runs/{RUN}"
    return {
        "id": RUN,
        "workflow": "document-analysis",
        "version": 1,
        "title": "Analysis of lease.pdf",
        "state": "running",
        "state_info": "Looking for facts on 9 pages",
        "is_terminal": False,
        "epoch": 1,
        "seq": 0,
        "steps": steps,
        "error": None,
        "started_at": moment(-10),
        "finished_at": None,
        "links": {
            "self": address,
            "items": f"{address}/items",
            "result": f"{address}/result",
            "page": f"/runs/{RUN}/",
        },
        **fields,
    }


def finding(index: int, **value: Any) -> dict[str, Any]:
    value = {
        "kind": "amount",
        "title": f"Rent {index}",
        "value": "EUR 9",
        "page": 3,
        "quote": "of EUR 9",
        **value,
    }
    return {"index": index, "key": f"k{index}", "type": "Finding", "value": value}


class ProgressPage:
    """The page as the server paints it, and the other end of its stream."""

    def __init__(self, page: Page) -> None:
        self.page, self.server = page, ScriptedServer(page)
        self.items: list[dict[str, Any]] = []
        self.server.snapshot = snapshot()
        page.route(f"{ORIGIN}/runs/**", self._paint)
        page.route(
            f"{ORIGIN}/static/**",
            lambda route: route.fulfill(path=finders.find(route.request.url.partition("/static/")[2])),
        )
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on(
            "console", lambda message: self.trouble.append(message.text) if message.type == "error" else None
        )

    def _paint(self, route: Route) -> None:
        run = {**self.server.snapshot, "seq": self.server.head}
        context = page_context(
            run,
            self.items,
            {"activity": [], "warnings": []},
            is_cut=False,
            shows_usage=True,
            now=datetime.now(UTC),
        )
        html = render_to_string("runs/detail.html", context)
        route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    def open(self) -> "ProgressPage":
        self.page.goto(f"{ORIGIN}/runs/{RUN}/")
        expect(self.part("freshness")).to_have_attribute("data-freshness", "live")
        return self

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Let the browser go on until `condition` holds on our side of the line."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def part(self, name: str) -> Locator:
        return self.page.locator(f"[data-part={name}]").first

    def step(self, name: str) -> Locator:
        return self.page.locator(f".step[data-step={name}]")

    @property
    def cards(self) -> Locator:
        return self.page.locator(".cards > .card")

    def find(self, *indexes: int, **value: Any) -> None:
        for index in indexes:
            self.server.happen("item.committed", step="find", **finding(index, **value))


@pytest.fixture
def shown(page: Page) -> ProgressPage:
    return ProgressPage(page)


def test_the_script_changes_no_word_that_the_server_painted(shown: ProgressPage, browser: Browser) -> None:
    shown.items = [
        {**finding(0), "step": "find"},
        {**finding(1, kind="risk", severity="high"), "step": "find"},
    ]
    shown.server.snapshot["steps"][1]["items_count"] = 2
    still = ProgressPage(browser.new_context(java_script_enabled=False).new_page())
    still.items, still.server.snapshot = shown.items, shown.server.snapshot
    still.page.goto(f"{ORIGIN}/runs/{RUN}/")
    shown.open()

    shown.server.tell(
        {"v": 1, "type": "step.progress", "run": RUN, "time": moment(), "data": {}}
    )  # paints everything
    for part in ("headline", "detail", "position", "cards", "count"):
        assert shown.part(part).inner_text() == still.part(part).inner_text()
    assert shown.step("read").inner_text() == still.step("read").inner_text()
    assert shown.trouble == []
    still.page.context.close()


def test_findings_appear_one_by_one_as_on_a_reload(shown: ProgressPage) -> None:
    shown.open()
    expect(shown.part("empty")).to_be_visible()

    shown.find(0, title="Rent", severity="high", kind="risk")
    expect(shown.cards).to_have_count(1)
    expect(shown.part("empty")).to_be_hidden()
    expect(shown.cards.first).to_contain_text("Riskhighpage 3")
    expect(shown.cards.first.locator("blockquote")).to_have_text("of EUR 9")
    shown.find(1, 2)
    expect(shown.cards).to_have_count(3)
    expect(shown.part("count")).to_have_text("3")
    expect(shown.part("position")).to_have_text("Step 2 of 3 · 3 findings")
    live = shown.cards.all_inner_texts()

    shown.items = [{**event["data"], "step": "find"} for event in shown.server.log]
    shown.server.snapshot["steps"][1]["items_count"] = 3
    shown.open()
    assert shown.cards.all_inner_texts() == live
    assert shown.trouble == []


def write_half(
    shown: ProgressPage, rev: int, *ops: list[Any], index: int = 0, step: str = "find", attempt: int = 1
) -> None:
    frame = {"v": 1, "type": "item.partial", "run": RUN, "step": step, "attempt": attempt, "time": moment()}
    shown.server.tell({**frame, "data": {"index": index, "rev": rev, "ops": list(ops)}})


def half_of(shown: ProgressPage) -> Locator:
    return shown.page.locator(".halves > .half")


def test_an_item_is_seen_growing_and_becomes_a_card(shown: ProgressPage) -> None:
    shown.open()
    half = half_of(shown)
    write_half(shown, 1, ["set", "", {"kind": "amount", "title": "Re"}])
    expect(half).to_have_text("Being written…AmountRe")
    expect(shown.part("empty")).to_be_hidden()
    write_half(shown, 2, ["append", "/title", "nt 0"], ["set", "/page", 3], ["set", "/quote", "of EU"])
    expect(half).to_contain_text("Amountpage 3Rent 0of EU")
    write_half(shown, 3, ["append", "/quote", "R 9"], ["set", "/tags", ["a"]], ["push", "/tags", "b"])
    expect(half.locator("blockquote")).to_have_text("of EUR 9")
    expect(shown.cards).to_have_count(0)
    expect(shown.part("count")).to_have_text("0")

    shown.find(0)
    expect(half).to_have_count(0)
    expect(shown.cards).to_have_count(1)
    expect(shown.cards).to_contain_text("Rent 0")
    write_half(shown, 4, ["append", "/quote", " late"])  # took the longer way
    write_half(shown, 5, ["set", "", {"title": "late"}])
    write_half(shown, 6, ["set", "", {"title": "The next"}], index=1)
    expect(half).to_contain_text("The next")
    shown.find(1)
    expect(half).to_have_count(0)
    expect(shown.cards).to_have_count(2)
    assert shown.trouble == []


def test_a_half_item_whose_frames_were_lost_waits_for_one_that_says_all(shown: ProgressPage) -> None:
    shown.open()
    half = half_of(shown)
    write_half(shown, 5, ["append", "/title", "of what?"])
    write_half(shown, 6, ["set", "", {"title": "One"}])
    write_half(shown, 8, ["append", "/title", " three"])
    write_half(shown, 4, ["set", "", {"title": "an old one"}])
    write_half(shown, 9, ["append", "/title", " four"])
    write_half(shown, 7, ["append", "/title", " two"])
    expect(half.locator("h3")).to_have_text("One two")
    write_half(shown, 10, ["set", "", {"title": "One two three four five"}])
    expect(half.locator("h3")).to_have_text("One two three four five")
    write_half(shown, 11, ["append", "/nothing", "x"])
    expect(half).to_have_count(0)
    write_half(shown, 12, ["set", "", {"title": "Whole again"}])
    expect(half.locator("h3")).to_have_text("Whole again")


def test_a_half_item_goes_with_its_attempt(shown: ProgressPage) -> None:
    shown.open()
    half = half_of(shown)
    write_half(shown, 1, ["set", "", {"title": "First"}])
    expect(half).to_have_count(1)
    write_half(shown, 2, ["set", "", None])
    expect(half).to_have_count(0)
    expect(shown.part("empty")).to_be_visible()

    write_half(shown, 3, ["set", "", {"title": "First"}])
    expect(half).to_have_count(1)
    shown.server.happen("step.retry_scheduled", step="find", error=ERROR, retry_at=moment(30), max_attempts=5)
    expect(half).to_have_count(0)
    write_half(shown, 4, ["set", "", {"title": "Late"}])
    write_half(shown, 1, ["set", "", {"title": "Second"}], attempt=2)
    expect(half.locator("h3")).to_have_text("Second")
    write_half(shown, 9, ["set", "", {"title": "Of the dead"}], attempt=1)
    write_half(shown, 2, ["append", "/title", " try"], attempt=2)
    expect(half.locator("h3")).to_have_text("Second try")
    shown.server.happen("step.completed", step="find", attempt=2, items_count=0)
    expect(half).to_have_count(0)


def test_the_end_of_an_attempt_that_is_told_late_does_not_end_the_next_one(script_page: Page) -> None:
    whole = {"index": 0, "rev": 1, "ops": [["set", "", {"title": "Second"}]]}
    more = {"index": 0, "rev": 2, "ops": [["append", "/title", " try"]]}
    told = [
        {"type": "item.partial", "step": "find", "attempt": 2, "data": whole},
        {"type": "step.retry_scheduled", "seq": 9, "step": "find", "attempt": 1, "data": {}},
        {"type": "item.partial", "step": "find", "attempt": 2, "data": more},
    ]
    script = """async (told) => {
      const { HalfItems } = await import("/half-items.js");
      const halves = new HalfItems();
      for (const said of told) halves.take(said);
      return [...halves];
    }"""
    script_page.route(
        f"{ORIGIN}/half-items.js",
        lambda route: route.fulfill(path=STATIC / "half-items.js", content_type="text/javascript"),
    )
    half = {"step": "find", "index": 0, "value": {"title": "Second try"}}
    assert script_page.evaluate(script, told) == [half]
    end = {"type": "step.failed", "seq": 10, "step": "find", "attempt": 2, "data": {}}
    assert script_page.evaluate(script, [*told, end]) == []


def test_what_is_half_written_is_text_whatever_it_says(shown: ProgressPage) -> None:
    shown.open()
    write_half(shown, 1, ["set", "", {"title": HOSTILE[:9]}])
    write_half(shown, 2, ["append", "/title", HOSTILE[9:]], ["set", "/__proto__", {"x": 1}])
    write_half(shown, 3, ["set", "/__proto__/y", HOSTILE])

    expect(half_of(shown).locator("h3")).to_have_text(HOSTILE)
    assert shown.page.locator(".half img").count() == 0
    assert shown.page.evaluate("({}).x === undefined && ({}).y === undefined")
    assert shown.trouble == []


def test_the_browser_comes_to_the_same_values_as_the_reader(shown: ProgressPage) -> None:
    shown.open()
    draw = random.Random(7)
    cases = []
    for _ in range(60):
        value = {"a/b": any_value(draw, 4), "~": "\ud83d\ude00 \n", "__proto__": [any_value(draw, 3)]}
        data, reader, taken = json.dumps(value).encode() + b" ", PartialReader(max_bytes=100_000), []
        while data:
            size = draw.randrange(1, 30)
            reader.feed(data[:size])
            data = data[size:]
            taken.append(reader.take())
        cases.append({"taken": taken, "text": json.dumps(value, sort_keys=True)})

    texts = shown.page.evaluate(
        """async (cases) => {
          const { applyOps } = await import("/static/streaming/half-items.js");
          return cases.map(({ taken }) => JSON.stringify(taken.reduce(applyOps, null)));
        }""",
        cases,
    )
    assert [json.loads(text) for text in texts] == [json.loads(case["text"]) for case in cases]


def any_value(draw: random.Random, depth: int) -> Any:
    match draw.randrange(6 if depth else 4):
        case 0:
            return draw.choice([None, True, 1.5, -7])
        case 4:
            return [any_value(draw, depth - 1) for _ in range(draw.randrange(4))]
        case 5:
            return {name: any_value(draw, depth - 1) for name in draw.sample("abcdefg", draw.randrange(4))}
    return "".join(draw.choices('ab \\"ü\n', k=draw.randrange(30)))


def test_two_steps_write_side_by_side_below_the_cards(shown: ProgressPage) -> None:
    shown.open()
    shown.server.happen("step.started", step="write", title="Writing the report")
    write_half(shown, 1, ["set", "", {"title": "of write"}], step="write")
    write_half(shown, 1, ["set", "", {"title": "of find"}])
    shown.find(0)
    write_half(shown, 2, ["set", "", {"title": "of find again"}], index=1)

    rows = shown.page.locator(".flow li")
    expect(rows).to_have_count(3)
    assert rows.nth(0).get_attribute("data-key") == "k0"
    expect(half_of(shown).locator("h3")).to_have_text(["of write", "of find again"])


def test_progress_moves_the_bar_and_never_back(shown: ProgressPage) -> None:
    shown.open()
    for done in (3.0, 6.0, 5.0):
        frame = {"v": 1, "type": "step.progress", "run": RUN, "step": "find", "attempt": 1, "time": moment()}
        shown.server.tell({**frame, "data": {"done": done, "total": 9.0, "unit": "pages"}})

    expect(shown.part("position")).to_have_text("Step 2 of 3 · 6 of 9 pages")
    expect(shown.part("bar")).to_have_attribute("aria-valuenow", "55")
    expect(shown.part("bar")).to_have_attribute("aria-valuetext", "Step 2 of 3 · 6 of 9 pages")


def test_progress_that_overtakes_the_start_of_its_step_is_not_lost(shown: ProgressPage) -> None:
    shown.open()
    shown.server.happen("step.completed", step="find", items_count=0)
    frame = {"v": 1, "type": "step.progress", "run": RUN, "step": "write", "attempt": 1, "time": moment()}
    shown.server.tell({**frame, "data": {"done": 1.0, "total": 2.0, "unit": "parts"}})
    shown.server.happen("step.started", step="write", title="Writing the report")

    expect(shown.part("position")).to_have_text("Step 3 of 3 · 1 of 2 parts")
    expect(shown.step("write").locator("[data-part=note]")).to_contain_text("working · 1 of 2 parts")


def seconds_in(note: str) -> int:
    found = re.search(r"in (\d+)", note)
    assert found is not None
    return int(found[1])


def test_a_retry_counts_down_and_keeps_what_was_found(shown: ProgressPage) -> None:
    shown.open()
    shown.find(0)
    shown.server.happen("step.retry_scheduled", step="find", error=ERROR, retry_at=moment(30), max_attempts=5)

    note = shown.step("find").locator("[data-part=note]")
    expect(note).to_have_text(re.compile(r"^trying again in 2\d\u00a0s \(2 of 5\)$"))
    first = note.inner_text()
    expect(note).not_to_have_text(first)
    assert seconds_in(note.inner_text()) < seconds_in(first)
    expect(shown.step("find").locator("[data-part=why]")).to_have_text("The model went silent.")
    shown.server.happen("item.committed", step="find", attempt=2, **finding(1))
    expect(note).to_contain_text("working · 2 findings · try 2 of 5")
    expect(shown.cards).to_have_count(2)


def retried(shown: ProgressPage) -> None:
    """Two amounts and a risk were found, and the step is tried again."""
    shown.open()
    shown.find(0, 1)
    shown.find(2, kind="risk")
    shown.server.happen("step.retry_scheduled", step="find", error=ERROR, retry_at=moment(1), max_attempts=3)
    expect(shown.cards).to_have_count(3)


def test_a_retry_that_replaces_clears_the_cards_with_its_first_item(shown: ProgressPage) -> None:
    retried(shown)
    reset = {"policy": "replace", "keep_through": -1}
    shown.server.happen("items.reset", step="find", attempt=2, **reset)
    expect(shown.cards).to_have_count(0)
    expect(shown.part("empty")).to_be_visible()
    shown.server.happen("item.committed", step="find", attempt=2, **finding(3, title="Deposit"))
    expect(shown.cards).to_have_count(1)
    expect(shown.cards.first).to_contain_text("Deposit")
    expect(shown.part("count")).to_have_text("1")
    expect(shown.part("kinds")).to_be_hidden()
    assert shown.trouble == []


def test_a_retry_that_appends_leaves_the_cards(shown: ProgressPage) -> None:
    retried(shown)
    shown.server.happen("items.reset", step="find", attempt=2, policy="append", keep_through=2)
    shown.server.happen("item.committed", step="find", attempt=2, **finding(3))
    expect(shown.cards).to_have_count(4)
    expect(shown.part("count")).to_have_text("4")


def test_what_is_retracted_or_replaced_changes_its_card_and_the_kinds(shown: ProgressPage) -> None:
    retried(shown)
    kinds = shown.part("kinds").locator("li")
    expect(kinds).to_have_count(2)
    kinds.nth(1).get_by_role("button").click()
    expect(shown.cards.locator("visible=true")).to_have_count(1)
    shown.server.happen("item.replaced", step="find", attempt=2, **finding(1, kind="risk", title="Deposit"))
    expect(shown.cards.locator("visible=true")).to_have_count(2)
    expect(kinds.nth(1)).to_contain_text("2")
    for index in (1, 2):
        shown.server.happen("item.retracted", step="find", attempt=2, **finding(index))
    expect(shown.cards.locator("visible=true")).to_have_text([re.compile("Rent 0")])
    expect(shown.part("kinds")).to_be_hidden()
    expect(shown.part("count")).to_have_text("1")
    assert shown.trouble == []


def test_the_end_brings_the_report(shown: ProgressPage) -> None:
    shown.open()
    expect(shown.part("result")).to_be_hidden()
    for name in ("find", "write"):
        shown.server.happen("step.started", step=name)
        shown.server.happen("step.completed", step=name, items_count=0)
    done = [{**step, "state": "completed", "finished_at": moment()} for step in snapshot()["steps"]]
    shown.server.snapshot |= {"state": "completed", "steps": done, "finished_at": moment()}
    shown.server.is_terminal = True
    shown.server.happen("run.completed", items_count=0)
    shown.server.send({"type": "end", "run": RUN, "last_seq": shown.server.head, "state": "completed"})

    expect(shown.part("result").get_by_role("link", name="Download the PDF")).to_have_attribute(
        "href", f"/runs/{RUN}/report.pdf"
    )
    expect(shown.part("headline")).to_have_text("All done")
    expect(shown.part("freshness")).to_have_text("Finished")
    expect(shown.part("bar")).to_have_attribute("aria-valuenow", "100")
    expect(shown.page).to_have_title("All done · Analysis of lease.pdf")


def test_what_was_used_is_told_anew_when_a_step_that_found_something_ends(shown: ProgressPage) -> None:
    shown.open()
    expect(shown.part("used")).to_be_hidden()
    find = snapshot()["steps"][1] | {"items_count": 1, "usage": {"is_estimated": False}}
    shown.server.snapshot |= {
        "steps": [snapshot()["steps"][0], find],
        "usage": {"tokens_in": 1_200, "tokens_out": 34, "cost": 0.5, "currency": "USD"},
    }
    shown.server.happen("item.committed", step="find", **finding(0))
    shown.server.happen("step.completed", step="find", items_count=1)
    expect(shown.part("used")).to_have_text("1,234 tokens used · 0.5000\u00a0USD")


def test_a_failure_is_an_alert_that_says_why(shown: ProgressPage) -> None:
    shown.open()
    failed = [*snapshot()["steps"]]
    failed[1] |= {"state": "failed", "error": ERROR, "finished_at": moment()}
    shown.server.snapshot |= {"state": "failed", "steps": failed, "error": ERROR, "finished_at": moment()}
    shown.server.is_terminal = True
    shown.server.happen("step.failed", step="find", error=ERROR)
    shown.server.happen("run.failed", error=ERROR, failed_step="find")
    shown.server.send({"type": "end", "run": RUN, "last_seq": shown.server.head, "state": "failed"})

    expect(shown.page.get_by_role("alert")).to_have_text("Finding the facts: The model went silent.")
    expect(shown.part("freshness")).to_have_text("Ended")


def test_warnings_and_messages_each_have_their_place(shown: ProgressPage) -> None:
    shown.open()
    shown.server.happen("message", step="find", text="Looking at page 4", params={})
    shown.server.happen("message", step="find", text="Page 9 could not be read.", params={"warning": "…"})

    expect(shown.part("warnings")).to_have_text("Page 9 could not be read.", use_inner_text=True)
    expect(shown.part("activity-list").locator("li")).to_have_count(1)
    expect(shown.part("activity-list")).to_contain_text("Looking at page 4")


def test_whatever_a_model_writes_is_text(shown: ProgressPage) -> None:
    shown.open()
    shown.find(0, kind=HOSTILE, title=HOSTILE, value=HOSTILE, quote=HOSTILE, page=HOSTILE, severity=HOSTILE)
    shown.server.happen("message", step="find", text=HOSTILE, params={"warning": ""})
    shown.server.happen(
        "step.retry_scheduled", step="find", error={"detail": HOSTILE}, retry_at=moment(9), max_attempts=5
    )

    expect(shown.step("find").locator("[data-part=why]")).to_have_text(HOSTILE)
    expect(shown.cards.first.locator("h3")).to_have_text(HOSTILE)
    expect(shown.page.locator("main img")).to_have_count(0)
    assert shown.trouble == []


def test_a_screen_reader_hears_steps_and_tens_not_every_finding(shown: ProgressPage) -> None:
    shown.open()
    shown.page.evaluate(
        """() => {
          globalThis.heard = [];
          const region = document.querySelector("[role=status]");
          const hear = new MutationObserver(() => heard.push(region.textContent));
          hear.observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for index in range(25):
        shown.find(index)
        expect(shown.cards).to_have_count(index + 1)
    shown.server.happen("step.completed", step="find", items_count=25)
    shown.server.happen("step.started", step="write")
    expect(shown.page.get_by_role("status")).to_have_text("Writing the report. 25 findings")

    heard = shown.page.evaluate("heard")
    assert heard[-1] == "Writing the report. 25 findings"
    assert 3 <= len(heard) <= 6
    assert shown.page.locator(".cards [aria-live], .cards[aria-live]").count() == 0


def test_only_one_kind_may_be_shown(shown: ProgressPage) -> None:
    shown.open()
    shown.find(0, 1)
    shown.find(2, kind="risk")
    risks = shown.page.get_by_role("button", name="Risk 1")
    risks.click()

    expect(shown.page.locator(".card:visible")).to_have_count(1)
    shown.find(3)
    expect(shown.page.get_by_role("button", name="Amount 3")).to_be_visible()
    expect(shown.page.locator(".card:visible")).to_have_count(1)
    risks.click()
    expect(shown.page.locator(".card:visible")).to_have_count(4)


def test_a_reader_further_up_is_told_what_came_below(shown: ProgressPage) -> None:
    shown.page.set_viewport_size({"width": 375, "height": 700})
    shown.open()
    shown.find(*range(8))
    below = shown.page.get_by_role("link", name="new below")
    expect(below).to_be_visible()
    assert shown.page.evaluate("scrollY") == 0
    below.click()
    expect(below).to_be_hidden()


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_nothing_sticks_out_sideways(shown: ProgressPage, width: int) -> None:
    shown.page.set_viewport_size({"width": width, "height": 800})
    shown.open()
    shown.find(
        0, title="Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
    )
    expect(shown.cards).to_have_count(1)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width


def test_calm_is_kept_for_those_who_ask_for_it(shown: ProgressPage) -> None:
    shown.page.emulate_media(reduced_motion="reduce")
    shown.open()
    shown.find(0)
    expect(shown.cards).to_have_count(1)
    assert shown.page.evaluate("document.getAnimations().length") == 0


def test_moved_within_the_page_it_goes_on_from_where_it_was(shown: ProgressPage) -> None:
    shown.open()
    shown.find(0)
    expect(shown.cards).to_have_count(1)

    shown.page.evaluate(
        "() => document.body.append(document.querySelector('run-progress'))",
    )
    shown.wait_for(lambda: len(shown.server.cursors) == 2)
    shown.find(1)

    expect(shown.cards).to_have_count(2)
    assert shown.server.cursors == [0, 1]


def test_an_older_page_from_the_cache_catches_up(shown: ProgressPage) -> None:
    shown.open()
    shown.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pagehide'))")
    shown.server.grow(1, "item.committed")
    shown.server.log[-1] |= {"step": "find", "attempt": 1, "data": finding(0)}
    shown.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(shown.cards).to_have_count(1)
    expect(shown.part("freshness")).to_have_text("Up to date")
