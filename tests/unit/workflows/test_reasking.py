"""One rejected item is asked for again, keeps its place, and never holds up more than it may."""

import hashlib
import threading
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from streaming.llm import Chunk, Finish, ModelUnavailable, Prompt, Usage
from tests.fakes import FakeRecords
from tests.unit.workflows.generating import Ear, Talker, line, says
from workflows.definitions import FailAfter, ReAsk
from workflows.engine.budget import Limit, Limits
from workflows.engine.items import Repaired
from workflows.errors import Retryable, RunCancelled
from workflows.execution.meter import Meter
from workflows.testing import Unscripted

BROKEN = '{"txt":"b"}\n'
ANSWER = (line("a"), BROKEN, line("c"), line("d"))


def set_longhaul(settings, **values):
    settings.LONGHAUL = {**settings.LONGHAUL, **values}


def after(event: threading.Event, talk):
    """Says it only once the event has come."""

    def wait_and_talk(prompt: Prompt) -> Iterator[Chunk | Finish]:
        assert event.wait(10)
        yield from talk(prompt)

    return wait_and_talk


def test_a_broken_item_keeps_its_place_while_the_rest_of_the_answer_is_read():
    is_read = threading.Event()

    def main(prompt):
        yield from says(*ANSWER, finish=None)(prompt)
        is_read.set()
        yield Finish("stop", Usage(tokens_in=10, tokens_out=20))

    ear = Ear()
    model = Talker(main, again=after(is_read, says(line("b"))))
    generated = ear.hear(model, on_rejected=ReAsk())
    assert ear.given == ["a", "b", "c", "d"]
    assert (generated.items, generated.rejected, generated.reasked) == (4, 0, 1)
    used = ear.meter.usage
    assert (used["tokens_in"], used["tokens_out"], used["calls"]) == (20, 40, 2)


def test_the_model_is_told_the_rules_the_schema_the_item_and_its_fault_and_the_material_if_it_is_wanted():
    lean, full = Talker(says(BROKEN), again=says(line("b"))), Talker(says(BROKEN), again=says(line("b")))
    Ear().hear(lean, on_rejected=ReAsk())
    Ear().hear(full, on_rejected=ReAsk(material=True))
    asked, with_material = lean.reasks[0], full.reasks[0]
    assert '"properties":{"text":{"type":"string"}}' in asked.system
    assert asked.text == 'Fault: schema: text: Field required\n\nObject:\n{"txt":"b"}'
    assert with_material.text == f"Material:\nthe material\n\n{asked.text}"


def test_items_go_on_as_soon_as_the_one_before_them_has_come():
    """Not only at the end of the answer."""
    ear, has_come = Ear(), threading.Event()

    def main(prompt):
        yield Chunk("".join(ANSWER))
        assert has_come.wait(10)
        deadline = time.monotonic() + 10
        while ear.given != ["a", "b", "c", "d"] and time.monotonic() < deadline:
            time.sleep(0.01)
            yield Chunk(" ")
        seen.extend(ear.given)
        yield Finish("stop", Usage())

    def again(prompt):
        try:
            yield from says(line("b"))(prompt)
        finally:
            has_come.set()

    seen: list[str] = []
    ear.hear(Talker(main, again=again), on_rejected=ReAsk())
    assert seen == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "again",
    [
        says(),
        says("I cannot."),
        says(BROKEN),
        says('{"text":"b'),
        says(line("b"), finish="length"),
        says(line("b"), finish=None),
        says(line("b"), line("c")),
        says("x" * 200_000),
        says(ModelUnavailable("Away.")),
        says(ValueError("whatever")),
    ],
)
def test_an_item_that_does_not_come_right_is_rejected_as_it_was_first_written(again):
    ear = Ear()
    generated = ear.hear(Talker(says(*ANSWER), again=again), on_rejected=ReAsk())
    assert ear.given == ["a", '[{"txt":"b"}]', "c", "d"]
    assert ear.rejected[0].reason == "schema: text: Field required"
    assert (generated.rejected, generated.reasked) == (1, 0)


def test_one_that_came_right_is_marked_with_the_hash_of_what_was_written_at_first():
    ear, written = Ear(), '{"text":oh}'
    model = Talker(says(line("a"), written + "\n"), again=[says('{"text":2}'), says(line("b"))])
    ear.hear(model, on_rejected=ReAsk(times=2))
    assert ear.marks["a"] is None
    assert ear.marks["b"] == Repaired(
        by="asking",
        position=len(line("a")),
        size=len(written),
        sha256=hashlib.sha256(written.encode()).hexdigest(),
    )


def test_it_may_be_asked_for_more_than_once_and_is_told_the_new_fault():
    ear = Ear()
    model = Talker(says(*ANSWER), again=[says('{"text":2}'), says('{"text":"b"}')])
    ear.hear(model, on_rejected=ReAsk(times=2))
    assert ear.given == ["a", "b", "c", "d"]
    assert "Input should be a valid string" in model.reasks[1].text
    assert ear.meter.usage["tokens_in"] == 30


def test_how_the_answer_ended_is_told_and_not_how_the_item_did():
    is_over = threading.Event()
    ear = Ear()

    def main(prompt):
        try:
            yield from says(*ANSWER)(prompt)
        finally:
            is_over.set()

    ear.hear(Talker(main, again=after(is_over, says("x", finish="length"))), on_rejected=ReAsk())
    assert (ear.meter.usage["finish_reason"], ear.meter.usage["calls"]) == ("stop", 2)


def test_an_item_is_not_asked_for_again_beyond_the_budget_and_stays_rejected():
    ear = Ear()
    limit = Limit(amount=Decimal(60), unit="tokens", source="X")
    ear.meter = Meter(FakeRecords(), prices={}, limits=Limits(tokens=limit))
    model = Talker(says(*ANSWER), again=says(line("b")))
    generated = ear.hear(model, on_rejected=ReAsk())
    assert (generated.rejected, ear.given) == (1, ["a", '[{"txt":"b"}]', "c", "d"])
    assert model.reasks == [], "its prompt alone is longer"
    assert ear.meter.usage["calls"] == 1


def test_only_so_many_are_asked_for_in_one_attempt_and_then_the_other_rule_holds():
    ear, model = Ear(), Talker(says(*[BROKEN] * 4), again=says(line("b")))
    with pytest.raises(Retryable) as raised:
        ear.hear(model, on_rejected=ReAsk(at_most=2, then=FailAfter(2)))
    assert raised.value.code == "too-many-rejected"
    assert ear.given == ["b", "b", '[{"txt":"b"}]', '[{"txt":"b"}]']


def test_what_is_too_large_or_was_never_one_item_is_not_asked_for_again(settings):
    set_longhaul(settings, ITEM_MAX_BYTES=100)
    ear, document = Ear(), Ear()
    ear.hear(Talker(says(line("x" * 200), line("b"))), on_rejected=ReAsk())
    assert ear.rejected[0].reason == "too_large"
    with pytest.raises(Retryable, match="between its values"):
        document.hear(
            Talker(says('{"notes":[{"text":"a"} {"text":"b"}]}')), paths=("notes.item",), on_rejected=ReAsk()
        )


def test_a_value_of_a_document_is_asked_for_again_as_one_line():
    ear = Ear()
    model = Talker(says('{"notes":[{"text":"a"},{"text":oh},{"text":"c"}]}'), again=says(line("b")))
    ear.hear(model, paths=("notes.item",), on_rejected=ReAsk())
    assert ear.given == ["a", "b", "c"]
    assert model.reasks[0].text.startswith("Fault: syntax")


def test_one_that_takes_too_long_is_rejected_and_its_call_ends_with_its_next_word(settings):
    set_longhaul(settings, REASK_TIMEOUT_SECONDS=0.2)
    over = threading.Event()
    ear, model = Ear(), Talker(says(*ANSWER), again=after(over, says(" ", line("b"))))
    began = time.monotonic()
    ear.hear(model, on_rejected=ReAsk())
    assert time.monotonic() - began < 5
    assert ear.given == ["a", '[{"txt":"b"}]', "c", "d"]
    over.set()
    deadline = time.monotonic() + 10
    while model.closed < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert model.closed == 2


@pytest.mark.parametrize(
    ("limit", "most"),
    [({"REASK_HELD_ITEMS": 5}, 7), ({"REASK_HELD_BYTES": 60}, 7), ({"REASK_AT_ONCE": 1}, 3)],
)
def test_reading_pauses_when_too_much_is_held(settings, limit, most):
    set_longhaul(settings, **limit)
    said, go = [], threading.Event()

    def main(prompt):
        for text in [line("a"), BROKEN, *[line(str(number)) for number in range(50)]]:
            said.append(text)
            yield Chunk(text)
        yield Finish("stop", Usage())

    ear = Ear()
    model = Talker(main, again=after(go, says(line("b"))))
    listening = threading.Thread(target=lambda: ear.hear(model, on_rejected=ReAsk()))
    listening.start()
    deadline = time.monotonic() + 10
    while len(said) < most - 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert len(said) <= most
    assert ear.given == ["a"]
    go.set()
    listening.join(10)
    assert ear.given == ["a", "b", *(str(number) for number in range(50))]


def test_the_wait_ends_when_the_work_is_no_longer_wanted(settings):
    go, ear = threading.Event(), Ear()
    model = Talker(says(*ANSWER), again=after(go, says(line("b"))))
    ear.stop = RunCancelled("the run is being cancelled")
    with pytest.raises(RunCancelled):
        ear.hear(model, on_rejected=ReAsk())
    go.set()
    assert ear.given == ["a"]


def test_words_of_a_second_asking_count_as_activity():
    go, ear = threading.Event(), Ear()

    def again(prompt):
        yield Chunk('{"text":')
        assert go.wait(10)
        yield from says('"b"}')(prompt)

    threading.Timer(0.4, go.set).start()
    ear.hear(Talker(says(*ANSWER), again=again), on_rejected=ReAsk())
    assert ear.active > len(ANSWER)


def test_what_is_held_is_given_before_a_fault_of_the_model_is_raised():
    go, ear = threading.Event(), Ear()
    model = Talker(says(*ANSWER, ModelUnavailable("Away.")), again=after(go, says(line("b"))))
    threading.Timer(0.1, go.set).start()
    with pytest.raises(Retryable):
        ear.hear(model, on_rejected=ReAsk())
    assert ear.given == ["a", "b", "c", "d"]


def test_it_comes_before_the_model_is_asked_to_go_on():
    ear = Ear()
    first = says(line("a"), BROKEN, '{"te', finish="length")
    model = Talker(first, says(line("c")), again=says(line("b")))
    ear.hear(model, on_rejected=ReAsk())
    assert [value["text"] for value in model.prompts[1].done] == ["a", "b"]


def test_a_test_that_scripted_too_little_hears_of_it():
    ear = Ear()
    with pytest.raises(Unscripted):
        ear.hear(Talker(says(*ANSWER), again=says(Unscripted("no answer is left"))), on_rejected=ReAsk())
