"""The example of docs/generating.md, taken from there, with what models do to it; and the settings as it tells them."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from outbox.models import Entry
from streaming.llm.base import ndjson_line
from workflows.conf import conf
from workflows.definitions import registry
from workflows.models import Attempt
from workflows.states import RunState

pytestmark = pytest.mark.django_db

GUIDE = (Path(__file__).parents[3] / "docs/generating.md").read_text()


def demand(sentence: str, page: int = 1) -> dict[str, Any]:
    return {"sentence": sentence, "page": page}


@pytest.fixture
def demands():
    example = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "docs/generating.md", "exec"), names)
    yield names["demands"]
    registry.forget(names["demands"])


@pytest.fixture
def finished(longhaul, demands):
    def finish():
        return longhaul.finish(longhaul.start(demands, input={"text": "Pay and leave!"}))

    return finish


def sentences(longhaul, run) -> list[str]:
    return [item["sentence"] for item in longhaul.items(run)]


def test_a_document_becomes_rows_and_events(longhaul, finished):
    longhaul.model.script(
        '{"demands": [{"sentence": "Pay!", "page": 1}, {"sentence": "Leave!", "page": 2}]}', chunk_chars=5
    )
    run = finished()
    assert run.state == RunState.COMPLETED
    assert sentences(longhaul, run) == ["Pay!", "Leave!"]
    longhaul.check(run)


def test_a_rejected_line_is_asked_for_again_and_paid_for(longhaul, finished):
    longhaul.model.script(demand("Pay!"), '{"sentence": "Leave!", "page": "two"}\n', demand("Write!"))
    longhaul.model.script(demand("Leave!", 2))
    run = finished()
    assert sentences(longhaul, run) == ["Pay!", "Leave!", "Write!"]
    assert [entry.payload["index"] for entry in committed(run)] == [0, 1, 2]
    assert longhaul.model.prompts[1].text.startswith("Fault: schema: page")
    used = Attempt.objects.get().usage
    assert (used["tokens_in"], used["tokens_out"], used["calls"]) == (20, 40, 2)
    assert "item.rejected find_demands" not in longhaul.events(run, seen_by="operator")
    longhaul.check(run)


def test_the_event_of_an_item_that_is_not_as_the_model_wrote_it_says_so(longhaul, finished):
    longhaul.model.script(demand("Pay!"), '{"sentence": "Leave!", "page": "two"}\n')
    longhaul.model.script(demand("Leave!", 2))
    run = finished()
    first, second = (entry.payload for entry in committed(run))
    assert "repaired" not in first
    written = b'{"page":"two","sentence":"Leave!"}'  # JSON of another form: its canonical JSON
    assert second["repaired"] == {
        "by": "asking",
        "position": len(ndjson_line(demand("Pay!"))),
        "size": len(written),
        "sha256": hashlib.sha256(written).hexdigest(),
    }
    longhaul.check(run)


def test_too_many_rejected_lines_fail_the_attempt_and_the_next_goes_on(longhaul, finished):
    longhaul.model.script(demand("Pay!"), *['{"sentence": 1, "page": 1}\n'] * 5)
    for _ in range(4):
        longhaul.model.script("I cannot.")
    longhaul.model.script("I cannot.")
    longhaul.model.script(demand("Leave!"))
    run = finished()
    assert longhaul.attempts(run, "find_demands") == ["failed", "completed"]
    assert Attempt.objects.order_by("number").first().error["code"] == "too-many-rejected"
    assert longhaul.events(run, seen_by="operator").count("item.rejected find_demands") == 5
    assert sentences(longhaul, run) == ["Pay!", "Leave!"]
    assert longhaul.model.prompts[-1].done == (demand("Pay!"),)


def test_a_cut_answer_is_gone_on_with_and_a_changed_repetition_replaces_its_row(longhaul, finished):
    longhaul.model.script(demand("Pay!"), demand("Leave!", 1), '{"sen', finish="length")
    longhaul.model.script(demand("Leave!", 2), demand("Write!"))
    run = finished()
    assert longhaul.attempts(run, "find_demands") == ["completed"]
    rows = run.items.order_by("index").values_list("index", "key", "data__page")
    assert list(rows) == [(0, "Pay!", 1), (1, "Leave!", 2), (2, "Write!", 1)]
    longhaul.assert_events(
        run,
        [..., "item.committed", "item.committed", "item.replaced", "item.committed", ..., "run.completed"],
    )
    longhaul.check(run)


def test_an_answer_that_never_ends_fails_with_what_it_brought(longhaul, finished):
    for attempt in range(5):
        for call in range(4):
            longhaul.model.script(demand(f"{attempt}.{call}"), finish="length")
    run = finished()
    assert (run.state, run.error["code"]) == (RunState.FAILED, "truncated-answer")
    assert len(longhaul.items(run)) == 20
    assert [len(prompt.done) for prompt in longhaul.model.prompts] == list(range(20))


def test_a_worker_that_dies_between_two_calls_costs_nothing_that_was_committed(longhaul, finished):
    longhaul.model.script(demand("Pay!"), finish="length")
    longhaul.model.script(demand("Leave!"), demand("Write!"))
    longhaul.model.script(demand("Write!"))
    longhaul.fault("find_demands", "die_in_body", after_items=2)
    run = finished()
    assert longhaul.attempts(run, "find_demands") == ["lost", "completed"]
    assert sentences(longhaul, run) == ["Pay!", "Leave!", "Write!"]
    assert [value["sentence"] for value in longhaul.model.prompts[2].done] == ["Pay!", "Leave!"]
    longhaul.check(run)


def test_the_guide_tells_the_settings_as_they_are():
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([\d.,]+) \|", GUIDE, re.MULTILINE)
    assert {name.lower(): float(value.replace(",", "")) for name, value in rows} == {
        name.lower(): float(getattr(conf(), name.lower())) for name, _ in rows
    }
    assert {"MODEL_MAX_CONTINUATIONS", "REASK_TIMEOUT_SECONDS"} <= {name for name, _ in rows}


def committed(run):
    return Entry.objects.filter(stream_id=run.pk, type="item.committed").order_by("seq")
