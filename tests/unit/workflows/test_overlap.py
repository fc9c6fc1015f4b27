"""What a model says once more when it goes on with a cut answer is written once."""

import random
from collections.abc import Generator

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from streaming.llm import Chunk, Finish, ModelUnavailable, Prompt, Usage
from streaming.llm.stopping import NEVER, Stop
from tests.fakes import FakeRecords
from tests.unit.workflows.test_executor import answering, ask_model, streaming_step
from workflows.definitions import step
from workflows.engine.items import CommittedItem, NewItem, ReplacedItem, item_key
from workflows.engine.outcomes import Failed, Succeeded
from workflows.engine.overlap import Overlap


class Fact(BaseModel):
    name: str
    text: str


def fact(name: str, text: str = "") -> str:
    return f'{{"name":"{name}","text":"{text}"}}\n'


def list_facts(ctx) -> Generator[Fact, None, int]:
    generated = yield from ctx.generate(Prompt(system="", text=""), items=Fact)
    return generated.calls


def committed(records: FakeRecords) -> list[tuple[str, str, str]]:
    kinds = {NewItem: "new", ReplacedItem: "replaced"}
    return [(kinds[type(change)], change.key, change.value["text"]) for change in records.committed]


def test_a_repeated_item_is_dropped_and_a_changed_one_replaces_itself(run):
    model = answering(fact("a", "1"), fact("b", "1"), '{"na', finish="length")
    model.script(fact("b", "1"), fact("a", "2"), fact("c", "1"))
    records = FakeRecords(earlier=[CommittedItem(index=0, key="z", value={"name": "z", "text": "0"})])
    facts = step(title="x", items=Fact, item_key="name")(list_facts)
    outcome = run(facts, records=records, model=model, number=2)
    assert outcome == Succeeded(output=2, usage=records.usages[-1])
    assert (outcome.usage["tokens_in"], outcome.usage["tokens_out"]) == (20, 40)
    assert committed(records) == [
        ("new", "a", "1"),
        ("new", "b", "1"),
        ("replaced", "a", "2"),
        ("new", "c", "1"),
    ]
    assert records.committed[2].index == 1


def test_what_an_earlier_attempt_committed_is_dropped_however_often_it_comes_again(run):
    earlier = [CommittedItem(index=0, key="a", value={"name": "a", "text": "1"})]
    model = answering(fact("a", "1"), fact("b", "1"), finish="length")
    model.script(fact("a", "1"), fact("b", "1"), fact("c", "1"))
    records = FakeRecords(earlier=earlier)
    run(step(title="x", items=Fact, item_key="name")(list_facts), records=records, model=model, number=2)
    assert committed(records) == [("new", "b", "1"), ("new", "c", "1")]


def test_an_answer_may_say_a_thing_twice_and_so_may_two_answers(run):
    def list_twice(ctx):
        yield from ctx.generate(Prompt(system="", text="page 1"), items=Fact)
        generated = yield from ctx.generate(Prompt(system="", text="page 2"), items=Fact)
        return generated.calls

    list_twice.__annotations__["return"] = Generator[Fact, None, int]
    model = answering(fact("a"), fact("a"))
    model.script(fact("b"), finish="length")
    model.script(fact("b"), fact("a"))
    records = FakeRecords()
    run(step(title="x", items=Fact, item_key="name")(list_twice), records=records, model=model)
    assert [change.key for change in records.committed] == ["a", "a", "b", "a"]


def test_of_equal_items_those_of_the_answer_are_compared():
    def item(key: str) -> NewItem:
        return NewItem(key=key, type="x", value={"key": key})

    overlap = Overlap()
    overlap.note(item("a"))  # there is no answer yet
    overlap.begin()
    overlap.note(item("b"))
    rows = [CommittedItem(index=i, key=key, value={"key": key}) for i, key in enumerate("abb")]
    overlap.go_on(rows)
    again = item("b")
    assert overlap.admit(item("b")) == []
    assert overlap.admit(again) == [again]
    assert overlap.admit(new := item("a")) == [new]
    overlap.end()
    assert overlap.admit(again) == [again]


def test_a_model_that_is_to_start_from_nothing_is_told_only_what_this_answer_gave(run):
    def start_anew(ctx):
        generated = yield from ctx.generate(Prompt(system="", text=""), items=Fact, resume=False)
        return generated.calls

    start_anew.__annotations__["return"] = Generator[Fact, None, int]
    model = answering(fact("a", "1"), fact("b", "1"), finish="length")
    model.script(fact("c", "1"))
    records = FakeRecords(earlier=[CommittedItem(index=0, key="a", value={"name": "a", "text": "1"})])
    run(step(title="x", items=Fact, item_key="name")(start_anew), records=records, model=model, number=2)
    assert [[value["name"] for value in prompt.done] for prompt in model.prompts] == [[], ["a", "b"]]
    assert committed(records) == [("new", "b", "1"), ("new", "c", "1")]


class Interrupted:
    """Writes `texts` after what is done, perhaps some of it again, and is cut as often as there are `cuts`."""

    name = "interrupted"

    def __init__(self, texts: list[str], cuts: list[tuple[int, int, str]], seed: int) -> None:
        self.texts = texts
        self.cuts = cuts
        self.roll = random.Random(seed)

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        size, overlap, end = self.cuts.pop(0) if self.cuts else (10**6, 0, "stop")
        rest = self.texts[max(0, len(prompt.done) - overlap) :]
        text = "".join(f'{{"text":"{text}"}}\n' for text in rest)
        is_cut, text = size < len(text), text[:size]
        while text:
            chars = self.roll.randint(1, 9)
            yield Chunk(text[:chars])
            text = text[chars:]
        if is_cut and end == "fault":
            raise ModelUnavailable("The model is away.")
        yield Finish(end if is_cut and end != "fault" else "stop", Usage())  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    size=st.integers(0, 12),
    cuts=st.lists(
        st.tuples(st.integers(0, 80), st.integers(0, 3), st.sampled_from(["length", "unknown", "fault"])),
        max_size=6,
    ),
    seed=st.integers(0, 99),
)
def test_an_answer_cut_anywhere_however_often_comes_to_the_rows_of_the_whole_one(run, size, cuts, seed):
    texts = [f"fact {number}" for number in range(size)]
    model, rows, attempts = Interrupted(texts, list(cuts), seed), [], 0
    while True:
        attempts += 1
        records = FakeRecords(earlier=rows)
        outcome = run(streaming_step(ask_model), records=records, model=model, number=attempts)
        assert all(isinstance(change, NewItem) for change in records.committed if hasattr(change, "value"))
        rows = records.read_items("")
        if isinstance(outcome, Succeeded):
            break
        assert isinstance(outcome, Failed)
        assert outcome.error.retryable
        assert attempts <= len(cuts) + 1
    assert [row.value["text"] for row in rows] == texts
    assert [row.key for row in rows] == [item_key({"text": text}, field=None) for text in texts]
