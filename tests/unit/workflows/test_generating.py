"""An answer as items: lines and documents, what is rejected, and how a cut one is gone on with."""

import hashlib
from collections.abc import Generator

import pytest
from pydantic import BaseModel, ValidationInfo, field_validator

from streaming.llm import ModelUnavailable, Prompt
from tests.fakes import FakeRecords
from tests.unit.workflows.generating import Ear, Talker, line, says
from tests.unit.workflows.test_executor import answering
from workflows.definitions import FailAfter, ReAsk, Skip, step
from workflows.engine.items import CommittedItem, Repaired, ReplacedItem
from workflows.engine.outcomes import Succeeded
from workflows.errors import DefinitionError, Fatal, Retryable, Truncated
from workflows.execution.generating.done import Done


def set_longhaul(settings, **values):
    settings.LONGHAUL = {**settings.LONGHAUL, **values}


# --- what comes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chars", [1, 7, 1_000])
@pytest.mark.parametrize(
    "text",
    [
        '{"notes":[{"text":"a"},{"text":"b"}],"end":1}',
        'Here you are:\n```json\n{"notes":[{"text":"a"},{"text":"b"}]}\n```',
        line("a") + line("b"),
    ],
)
def test_with_paths_a_document_is_read_and_so_are_lines(text, chars):
    ear = Ear()
    pieces = [text[start : start + chars] for start in range(0, len(text), chars)]
    generated = ear.hear(Talker(says(*pieces)), paths=("notes.item",))
    assert ear.given == ["a", "b"]
    assert (generated.items, generated.rejected, generated.calls) == (2, 0, 1)


def test_an_item_of_a_document_may_ask_what_it_was_called():
    class Section(BaseModel):
        text: str
        name: str = ""

        @field_validator("text")
        @classmethod
        def with_its_place(cls, text: str, info: ValidationInfo) -> str:
            assert info.context is not None
            return f"{info.context['key']}={text} at {info.context['pointer']}"

    ear = Ear()
    ear.hear(Talker(says('{"a/b":{"text":"x"}}')), items=Section, paths=("*",))
    assert ear.given == ["a/b=x at /a~1b"]


def test_paths_that_make_no_sense_fail_for_good():
    with pytest.raises(Fatal, match="overlap"):
        Ear().hear(Talker(), paths=("a", "a.b"))


def test_what_is_almost_json_is_mended_only_when_asked_for():
    strict, mending = Ear(), Ear()
    text = "{text: 'a',}\n" + line("b")
    assert strict.hear(Talker(says(text))).repaired == 0
    assert mending.hear(Talker(says(text)), repair=True).repaired == 1
    assert (strict.given, mending.given) == (["[{text: 'a',}]", "b"], ["a", "b"])


@pytest.mark.parametrize("paths", [(), ("notes.item",)])
def test_what_was_mended_is_marked_with_the_hash_of_what_was_written(paths):
    ear, written = Ear(), "{text: 'é',}"
    text = f'{{"notes":[{{"text":"a"}},{written}]}}' if paths else line("a") + written + "\n"
    ear.hear(Talker(says(text)), paths=paths, repair=True)
    assert ear.marks["a"] is None
    assert ear.marks["é"] == Repaired(
        by="respelling",
        position=text.index(written),
        size=len(written.encode()),
        sha256=hashlib.sha256(written.encode()).hexdigest(),
    )
    assert ear.repaired is None


def test_a_broken_document_is_never_called_complete():
    ear = Ear()
    with pytest.raises(Retryable, match="no JSON between its values") as raised:
        ear.hear(Talker(says('{"notes":[{"text":"a"} {"text":"b"}]}')), paths=("notes.item",))
    assert raised.value.code == "unreadable-answer"
    assert ear.given[0] == "a"


def test_an_answer_of_words_alone_is_no_answer():
    with pytest.raises(Retryable) as raised:
        Ear().hear(Talker(says("I am sorry, but I see no document.")))
    assert raised.value.code == "unreadable-answer"


def test_an_answer_beyond_a_limit_is_ended_and_says_so(settings):
    set_longhaul(settings, JSON_MAX_ITEMS=2)
    ear, model = Ear(), Talker(says(line("a"), line("b"), line("c"), line("d")))
    with pytest.raises(Retryable) as raised:
        ear.hear(model)
    assert (raised.value.code, model.closed, len(model.prompts)) == ("answer-too-large", 1, 1)
    assert ear.given[:2] == ["a", "b"]


# --- going on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finish", ["length", "unknown", None])
def test_a_cut_answer_is_gone_on_with_in_the_same_attempt(finish):
    ear = Ear()
    model = Talker(says(line("a"), '{"te', finish=finish), says(line("b"), line("c")))
    generated = ear.hear(model, prompt=Prompt(system="s", text="t", done=({"text": "earlier"},)))
    assert ear.given == ["a", "b", "c"]
    assert [list(prompt.done) for prompt in model.prompts] == [
        [{"text": "earlier"}],
        [{"text": "earlier"}, {"text": "a"}],
    ]
    assert (ear.went_on, generated.calls, generated.finish_reason, generated.rejected) == (1, 2, "stop", 0)
    used = ear.meter.usage
    assert used["tokens_out"] == (40 if finish else 20 + 5), "17 bytes are about 5 tokens"
    assert (used["calls"], used["is_estimated"], used["finish_reason"]) == (2, finish is None, "stop")


def test_a_document_is_gone_on_with_too():
    ear = Ear()
    first = says('{"notes":[{"text":"a"},{"te', finish="length")
    ear.hear(Talker(first, says('{"notes":[{"text":"b"}]}')), paths=("notes.item",))
    assert ear.given == ["a", "b"]


def test_it_is_gone_on_with_so_often_and_no_more():
    ear = Ear()
    model = Talker(*(says(line(name), '{"te', finish="length") for name in "abcdef"))
    with pytest.raises(
        Truncated, match=r"length limit, also when it was asked to go on \(3 times\)"
    ) as raised:
        ear.hear(model)
    assert (raised.value.code, raised.value.retryable) == ("truncated-answer", True)
    assert ear.given == [
        "a",
        "b",
        "c",
        "d",
        '[{"te]',
    ]  # of the cut pieces only the one that nobody wrote anew


def test_a_call_that_brings_nothing_new_ends_it():
    ear, nothing = Ear(), Ear()
    with pytest.raises(Truncated):
        ear.hear(Talker(says(line("a"), finish="length"), says(line("a"), finish="length")))
    with pytest.raises(Truncated):
        nothing.hear(Talker(says('{"te', finish="length")))
    assert (ear.went_on, nothing.went_on) == (1, 0)


def test_what_the_model_repeats_when_it_goes_on_is_not_told_it_twice():
    ear = Ear()
    twice = says(line("a"), line("a"), finish="length")
    model = Talker(twice, says(line("a"), line("b"), finish="length"), says(line("c")))
    ear.hear(model)
    assert [value["text"] for value in model.prompts[2].done] == ["a", "a", "b"]


def test_going_on_may_bring_nothing_if_the_model_says_that_this_was_all():
    ear = Ear()
    assert ear.hear(Talker(says(line("a"), finish="length"), says())).finish_reason == "stop"


def test_an_answer_that_a_filter_cut_is_not_gone_on_with():
    with pytest.raises(Truncated, match="content filter"):
        Ear().hear(Talker(says(line("a"), finish="content_filter")))


def test_what_was_whole_before_the_connection_broke_is_given():
    ear, model = Ear(), Talker(says(line("a"), '{"text":"b"}', ModelUnavailable("Away.")))
    with pytest.raises(Retryable) as raised:
        ear.hear(model)
    assert (raised.value.code, ear.given) == ("model-unavailable", ["a", "b"])


def test_an_item_that_no_row_takes_is_rejected_and_the_answer_goes_on(run, settings):
    set_longhaul(settings, ITEM_MAX_BYTES=100)

    class Sum(BaseModel):
        amount: int
        remark: str = "r" * 10
        pad: int = 0

        @field_validator("remark")
        @classmethod
        def spelled_out(cls, remark: str) -> str:
            return remark * 10

    def list_sums(ctx) -> Generator[Sum, None, int]:
        generated = yield from ctx.generate(Prompt(system="", text=""), items=Sum)
        return generated.rejected

    too_large = '{"amount":2,"remark":"123456789012345"}'
    model = answering('{"amount":"99999999999999999999"}\n', too_large + "\n", '{"amount":"3"}\n')
    records = FakeRecords()
    outcome = run(step(title="x", items=Sum)(list_sums), records=records, model=model)
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.output == 2
    first, second, third = records.committed
    assert (first.reason, first.position) == ("not storable: an integer beyond 64 bits", 0)
    assert (second.reason, second.raw) == ("too_large", too_large)
    assert third.value["amount"] == 3


def test_an_item_of_the_handlers_own_that_is_no_json_fails_for_good(run):
    class Blob(BaseModel):
        data: bytes

    def list_blobs(ctx) -> Generator[Blob, None, None]:
        yield Blob(data=b"\xff")

    outcome = run(step(title="x", items=Blob)(list_blobs))
    assert (outcome.error.code, outcome.error.retryable) == ("not-storable", False)


# --- rejected -------------------------------------------------------------------------------------------------


def test_a_step_may_fail_after_so_many_rejected_pieces():
    ear = Ear()
    text = [line("a"), '{"text":1}\n', line("b"), '{"text":2}\n', line("c")]
    model = Talker(says(*text))
    with pytest.raises(Retryable) as raised:
        ear.hear(model, on_rejected=FailAfter(2))
    assert (raised.value.code, model.closed) == ("too-many-rejected", 1)
    assert ear.given == ["a", '[{"text":1}]', "b", '[{"text":2}]']
    assert Ear().hear(Talker(says(*text)), on_rejected=FailAfter(3)).rejected == 2


@pytest.mark.parametrize("policy", [Skip(), FailAfter(9), ReAsk(at_most=1)])
def test_no_attempt_takes_rejected_pieces_without_end(settings, policy):
    set_longhaul(settings, REJECTED_MAX_ITEMS=3)
    ear, model = Ear(), Talker(says(*['{"text":1}\n'] * 20), again=says("no"))
    with pytest.raises(Retryable) as raised:
        ear.hear(model, on_rejected=policy)
    assert (raised.value.code, len(ear.rejected)) == ("too-many-rejected", 3)


def test_a_call_that_ended_is_counted_even_if_its_last_piece_fails_the_attempt():
    ear = Ear()
    with pytest.raises(Retryable):
        ear.hear(Talker(says('{"text":1}')), on_rejected=FailAfter(1))
    assert (ear.meter.usage["tokens_in"], ear.meter.usage["tokens_out"]) == (10, 20)


def test_rejected_pieces_are_counted_over_all_answers_of_an_attempt(run):
    from tests.unit.workflows.test_executor import Note, answering, streaming_step

    model = answering('{"text":1}\n')
    model.script('{"text":2}\n')

    def ask_twice(ctx):
        yield from ctx.generate(Prompt(system="", text=""), items=Note)
        yield from ctx.generate(Prompt(system="", text=""), items=Note)

    outcome = run(streaming_step(ask_twice, on_rejected=FailAfter(2)), model=model)
    assert outcome.error.code == "too-many-rejected"


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: FailAfter(0), "FailAfter\\(1\\)"),
        (lambda: ReAsk(times=0), "to ask never, use Skip"),
        (lambda: ReAsk(at_most=0), "to ask never, use Skip"),
        (lambda: ReAsk(then=ReAsk()), "ask more often with times="),  # type: ignore[arg-type]
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_when_it_is_written(declare, words):
    with pytest.raises(DefinitionError, match=words):
        declare()


def test_a_step_is_refused_with_what_is_no_policy_or_could_never_apply():
    def list_notes(ctx) -> None: ...

    with pytest.raises(DefinitionError, match="none of Skip"):
        step(title="x", on_rejected="skip")(list_notes)
    with pytest.raises(DefinitionError, match="yields no items"):
        step(title="x", on_rejected=FailAfter(1))(list_notes)
    assert step(title="x")(list_notes).on_rejected == Skip()


def test_an_item_that_a_handler_made_of_a_mended_one_is_marked_too(run):
    from tests.unit.workflows.test_executor import Note, answering, streaming_step

    def shout(ctx):
        for note in ctx.generate(Prompt(system="", text=""), items=Note, repair=True):
            yield Note(text=note.text.upper())

    records = FakeRecords(earlier=[CommittedItem(index=0, key="OLD", value={"text": "old"})])
    model = answering(line("a"), "{text: 'b'}\n", "{text: 'old'}\n")
    run(streaming_step(shout, item_key="text"), model=model, records=records, number=2)
    marks = [change.repaired for change in records.committed]
    assert [mark and mark.by for mark in marks] == [None, "respelling", "respelling"]
    assert isinstance(records.committed[2], ReplacedItem)


def test_of_very_much_that_is_done_a_model_is_told_the_end(settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "MODEL_DONE_MAX_BYTES": 25}
    done = Done([{"text": "one"}])
    for text in ("two", "three"):
        done.add({"text": text})
    assert done.told() == ({"text": "three"},)  # 16 bytes; with the one before it 30
    settings.LONGHAUL = {**settings.LONGHAUL, "MODEL_DONE_MAX_BYTES": 30}
    assert done.told() == ({"text": "two"}, {"text": "three"})
