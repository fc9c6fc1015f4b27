import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from streaming.llm import ModelRefused, ModelUnavailable, Prompt
from streaming.llm.stopping import NEVER, Stop
from tests.fakes import FakeRecords
from workflows.definitions import step
from workflows.engine.items import CommittedItem, ItemsReset, NewItem, RejectedItem, RetractedItem
from workflows.engine.outcomes import Failed, Fenced, Outcome, Stopped, Succeeded
from workflows.errors import Fatal, LeaseLost, RetryAfter
from workflows.execution.signals import Signals
from workflows.states import AttemptKind
from workflows.testing import ScriptedModel


class Note(BaseModel):
    text: str


class Total(BaseModel):
    count: int


def streaming_step(body: Callable[[Any], Generator[Note, None, Total]], **options: Any) -> Any:
    body.__annotations__["return"] = Generator[Note, None, Total]
    return step(title="Listing", items=Note, **options)(body)


def test_what_a_handler_returns_is_its_output_as_json(run):
    @step(title="Counting")
    def count(ctx) -> Total:
        return Total(count=3)

    assert run(count) == Succeeded(output={"count": 3})


def test_a_handler_that_returns_something_else_than_it_declares_fails_for_good(run):
    @step(title="Counting")
    def count(ctx) -> Total:
        return "three"

    outcome = run(count)
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.retryable) == ("wrong-output", False)


def test_an_output_too_large_to_be_kept_fails_with_the_way_out(run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "OUTPUT_MAX_BYTES": 1024}

    @step(title="Writing")
    def write(ctx) -> str:
        return "x" * 2000

    outcome = run(write)
    assert outcome.error.code == "output-too-large"
    assert "return a reference" in outcome.error.detail


def test_a_typed_error_keeps_its_sentence_and_its_wait(run):
    @step(title="Asking")
    def ask(ctx) -> None:
        raise RetryAfter("The shop is closed until nine.", seconds=30)

    outcome = run(ask)
    assert outcome.error.detail == "The shop is closed until nine."
    assert (outcome.error.retryable, outcome.retry_after_seconds) == (True, 30)


def test_an_unexpected_error_is_retryable_and_its_text_is_shown_to_nobody(run):
    @step(title="Asking")
    def ask(ctx) -> None:
        raise ValueError("postgres://user:secret@host")

    outcome = run(ask)
    assert outcome.error.retryable
    assert "secret" not in str(outcome.error.stored())


def test_a_lease_that_is_lost_ends_the_handler_at_its_next_call(run):
    signals = Signals()

    @step(title="Working")
    def work(ctx) -> None:
        signals.lost.set()
        ctx.say("Still here")

    assert run(work, signals=signals) == Fenced()


def test_a_cancelled_run_ends_the_handler_at_its_next_call_and_it_may_clean_up(run):
    signals, cleaned = Signals(), []

    @step(title="Working")
    def work(ctx) -> None:
        signals.stop.set()
        try:
            ctx.check_cancelled()
        finally:
            cleaned.append(True)

    assert run(work, signals=signals) == Stopped()
    assert cleaned == [True]


def test_yielded_items_are_committed_in_order_and_the_generators_value_is_the_output(run):
    def list_parts(ctx):
        yield Note(text="shade")
        yield Note(text="bulb")
        return Total(count=2)

    records = FakeRecords()
    outcome = run(streaming_step(list_parts), records=records)
    assert outcome == Succeeded(output={"count": 2})
    assert [change.value["text"] for change in records.committed] == ["shade", "bulb"]


def test_what_was_yielded_before_an_error_is_kept(run):
    def list_parts(ctx):
        yield Note(text="shade")
        raise Fatal("The catalogue ends here.")

    records = FakeRecords()
    assert isinstance(run(streaming_step(list_parts), records=records), Failed)
    assert len(records.committed) == 1


def test_an_item_does_not_wait_for_the_next_one(run):
    """The second item comes within the flush interval of the first; nothing follows, and yet it is committed."""
    records = FakeRecords()
    seen = threading.Event()
    records.on_commit = lambda: seen.set() if records.committed else None

    def list_parts(ctx):
        yield Note(text="first")
        yield Note(text="second")
        assert seen.wait(5), "the second item was never committed while the handler slept"
        return Total(count=2)

    assert run(streaming_step(list_parts), records=records) == Succeeded(output={"count": 2})


def test_items_that_come_fast_share_commits(run):
    def list_parts(ctx):
        for number in range(250):
            yield Note(text=str(number))
        return Total(count=250)

    records = FakeRecords()
    run(streaming_step(list_parts), records=records)
    assert len(records.committed) == 250
    assert len(records.batches) < 50
    assert max(records.batches) <= 100


def test_flush_returns_when_everything_yielded_is_durable(run):
    records = FakeRecords()

    def list_parts(ctx):
        for number in range(5):
            yield Note(text=str(number))
        ctx.flush()
        assert len(records.committed) == 5
        return Total(count=5)

    assert isinstance(run(streaming_step(list_parts), records=records), Succeeded)


def test_a_commit_that_fails_in_the_flush_thread_fails_the_attempt(run):
    records = FakeRecords()
    failed = threading.Event()

    def refuse() -> None:
        if records.committed:
            failed.set()
            raise LeaseLost("taken")

    records.on_commit = refuse

    def list_parts(ctx):
        yield Note(text="first")
        yield Note(text="second")
        failed.wait(5)
        yield Note(text="third")
        return Total(count=3)

    assert run(streaming_step(list_parts), records=records) == Fenced()


def test_an_item_of_the_wrong_model_fails_for_good(run):
    def list_parts(ctx):
        yield Total(count=1)
        return Total(count=1)

    assert run(streaming_step(list_parts)).error.code == "wrong-item"


def test_a_retried_generator_starts_from_the_top_and_writes_nothing_twice(run):
    earlier = [CommittedItem(index=0, key="shade", value={"text": "shade"})]
    records = FakeRecords(earlier=earlier)

    def list_parts(ctx):
        yield Note(text="shade")
        yield Note(text="bulb")
        return Total(count=2)

    run(streaming_step(list_parts, item_key="text"), records=records, number=2)
    assert [change.value["text"] for change in records.committed] == ["bulb"]


def retried(run: Any, body: Any, **options: Any) -> FakeRecords:
    """What the second attempt writes; the first one committed a shade and a bulb."""
    earlier = [
        CommittedItem(index=at, key=text, value={"text": text}) for at, text in enumerate(["shade", "bulb"])
    ]
    records = FakeRecords(earlier=earlier)
    run(streaming_step(body, item_key="text", **options), records=records, number=2)
    return records


def test_what_a_retried_body_does_not_yield_again_is_retracted_once_it_has_ended_well(run):
    def list_parts(ctx):
        yield Note(text="bulb")
        return Total(count=1)

    assert retried(run, list_parts).committed == [
        RetractedItem(index=0, key="shade", value={"text": "shade"})
    ]


@pytest.mark.parametrize("ending", ["raises", "returns nonsense"])
def test_a_retried_body_that_does_not_end_well_retracts_nothing(run, ending):
    def list_parts(ctx):
        yield Note(text="foot")
        if ending == "raises":
            raise Fatal("The shop is closed.")
        return "nonsense"

    assert [change.value["text"] for change in retried(run, list_parts).committed] == ["foot"]


def test_a_retried_body_that_read_its_own_items_goes_on_after_them(run):
    def list_parts(ctx):
        assert [note.text for note in ctx.items(ctx._step)] == ["shade", "bulb"]
        yield Note(text="foot")
        return Total(count=1)

    assert [change.value["text"] for change in retried(run, list_parts).committed] == ["foot"]


def test_a_retried_body_that_replaces_says_so_before_its_first_item(run):
    def list_parts(ctx):
        yield Note(text="bulb")
        return Total(count=1)

    committed = retried(run, list_parts, on_retry="replace").committed
    assert committed[0] == ItemsReset(policy="replace", keep_through=-1)
    assert [change.value["text"] for change in committed[1:]] == ["bulb"]


def test_progress_is_shown_at_most_ten_times_a_second_and_always_at_its_end(run):
    records = FakeRecords()

    @step(title="Reading")
    def read(ctx) -> None:
        for page in range(1, 101):
            ctx.progress(page, 100, "pages")

    run(read, records=records)
    assert len(records.shown) < 20
    assert records.shown[-1] == records.saved[-1] == {"done": 100, "total": 100, "unit": "pages"}


def test_the_idempotency_key_is_stable_and_another_one_for_the_undo(run):
    keys = []

    @step(title="Paying")
    def pay(ctx) -> None:
        keys.extend([ctx.idempotency_key, ctx.idempotency_key])

    run(pay)
    assert keys[0] == keys[1]
    assert len(keys[0]) == 64


def test_an_undo_is_given_the_output_typed_or_none_when_the_outcome_is_unknown(run):
    given = []

    @step(title="Counting")
    def count(ctx) -> Total:
        return Total(count=3)

    @count.undo
    def uncount(ctx, total) -> None:
        given.append(total)

    records = FakeRecords(outputs={"count": {"count": 3}})
    run(count, records=records, kind=AttemptKind.UNDO)
    records.unknown = True
    run(count, records=records, kind=AttemptKind.UNDO)
    assert given == [Total(count=3), None]


def ask_model(ctx):
    result = yield from ctx.generate(Prompt(system="s", text="t"), items=Note)
    return Total(count=result.rejected)


def answering(*pieces: Any, finish: Any = "stop") -> ScriptedModel:
    model = ScriptedModel()
    model.script(*pieces, finish=finish)
    return model


class Slow(ScriptedModel):
    """Pauses before each chunk for longer than half-written items are shown."""

    def __init__(self, *pieces: str) -> None:
        super().__init__()
        self.script(*pieces, finish="content_filter")  # cut, and not gone on with

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Any, None, None]:
        for part in super().stream(prompt, stop=stop):
            time.sleep(0.03)
            yield part


def asked(run, model: ScriptedModel, **options: Any) -> tuple[Outcome, FakeRecords]:
    records = options.pop("records", FakeRecords())
    return run(streaming_step(ask_model), records=records, model=model, **options), records


def test_a_models_answer_becomes_items_however_its_lines_are_cut(run):
    outcome, records = asked(run, answering('{"te', 'xt":"a"}\n{"text"', ':"b"}'))
    assert outcome.output == {"count": 0}
    assert [change.value["text"] for change in records.committed] == ["a", "b"]


def test_a_line_that_is_no_item_is_rejected_and_the_stream_goes_on(run):
    outcome, records = asked(run, answering('{"text":1}\n{"text":"b"}\n'))
    assert outcome.output == {"count": 1}
    rejected, kept = records.committed
    assert isinstance(rejected, RejectedItem)
    assert rejected.reason.startswith("schema: text")
    assert isinstance(kept, NewItem)


@pytest.mark.parametrize("finish", ["length", "unknown", "content_filter", None])
def test_an_answer_that_was_cut_is_never_called_complete(run, settings, finish):
    settings.LONGHAUL = {**settings.LONGHAUL, "MODEL_MAX_CONTINUATIONS": 0}
    outcome, records = asked(run, answering('{"text":"a"}\n{"te', finish=finish))
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.retryable) == ("truncated-answer", True)
    assert [change.value["text"] for change in records.committed if isinstance(change, NewItem)] == ["a"]


def test_the_model_is_told_what_earlier_attempts_committed(run):
    model = answering('{"text":"b"}\n')
    records = FakeRecords(earlier=[CommittedItem(index=0, key="k", value={"text": "a"})])
    asked(run, model, records=records, number=2)
    assert model.prompts[0].done == ({"text": "a"},)


class Letter(BaseModel):
    sender: str = Field(alias="from")


def test_a_field_has_the_name_in_what_is_kept_that_the_schema_gives_it(run):
    """Else what was kept is no instance of the model, and a model that goes on is shown other names than are asked."""
    read: list[Letter] = []

    @step(title="Listing", items=Letter, item_key="sender")
    def list_letters(ctx) -> Generator[Letter, None, Letter]:
        read.extend(ctx.items(list_letters))
        yield from ctx.generate(Prompt(system="", text=""), items=Letter)
        return Letter(**{"from": "Cleo"})

    model, records = answering('{"from":"Anna"}\n{"fr', finish="length"), FakeRecords()
    model.script('{"from":"Berta"}\n')
    outcome = run(list_letters, model=model, records=records)
    assert outcome.output == {"from": "Cleo"}
    first, second = records.committed
    assert (first.key, first.value, second.value) == ("Anna", {"from": "Anna"}, {"from": "Berta"})
    assert model.prompts[1].done == ({"from": "Anna"},)

    earlier = [CommittedItem(index=0, key=first.key, value=first.value)]
    model.script('{"from":"Berta"}\n')
    run(list_letters, model=model, records=FakeRecords(earlier=earlier), number=2)
    assert [letter.sender for letter in read] == ["Anna"]


def test_a_model_is_told_nothing_by_a_step_that_begins_anew(run):
    model = answering('{"text":"b"}\n')

    def list_parts(ctx):
        yield from ctx.generate(Prompt(system="", text=""), items=Note)
        return Total(count=1)

    records = FakeRecords(earlier=[CommittedItem(index=0, key="k", value={"text": "a"})])
    run(streaming_step(list_parts, on_retry="append"), model=model, records=records, number=2)
    assert model.prompts[0].done == ()
    assert records.committed[0] == ItemsReset(policy="append", keep_through=0)


def test_an_item_is_shown_while_it_is_written_and_numbered_after_those_that_are_there(run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "PARTIAL_INTERVAL_SECONDS": 0.02}
    records = FakeRecords(earlier=[CommittedItem(index=0, key="k", value={"text": "a"})])
    pieces = ['{"text":"b"}\n', '{"text":"', "c", "d", '"}\n', '{"text":"e']
    asked(run, Slow(*pieces), records=records, number=2)

    assert [index for index, _, _ in records.partials] == [2, 2, 2, 3]
    assert records.hidden == [(3, 5)]  # the answer ended within it
    assert [change.value["text"] for change in records.committed if isinstance(change, NewItem)] == [
        "b",
        "cd",
    ]


def test_what_is_no_item_of_the_step_is_not_shown_while_it_is_written(run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "PARTIAL_INTERVAL_SECONDS": 0.02}
    records = FakeRecords()

    def count(ctx):
        found = list(ctx.generate(Prompt(system="", text=""), items=Total))
        yield Note(text="x")
        return Total(count=len(found))

    run(streaming_step(count), records=records, model=Slow('{"cou', 'nt": 1', "}\n"))
    assert records.partials == []


def test_half_written_items_can_be_switched_off(run, settings):
    settings.LONGHAUL = {
        **settings.LONGHAUL,
        "PARTIAL_INTERVAL_SECONDS": 0.02,
        "PARTIAL_MAX_BYTES": 0,
    }
    _, records = asked(run, Slow('{"te', 'xt":"a"', "}\n"))
    assert records.partials == []
    assert len(records.committed) == 1


def test_a_vendors_faults_become_the_engines_words(run):
    busy, _ = asked(run, answering(ModelUnavailable("The model is busy.", retry_after_seconds=7)))
    away, _ = asked(run, answering(ModelUnavailable("The model is away.")))
    refused, _ = asked(run, answering(ModelRefused("The key was refused.")))
    assert (busy.error.retryable, busy.retry_after_seconds) == (True, 7)
    assert (away.error.retryable, away.error.code) == (True, "model-unavailable")
    assert (refused.error.retryable, refused.error.code) == (False, "model-refused")


def test_the_models_connection_is_closed_when_the_handler_stops(run):
    model = answering('{"text":"a"}\n', '{"text":"b"}\n')

    def stop_early(ctx):
        yield from (
            item for item, _ in zip(ctx.generate(Prompt(system="", text=""), items=Note), "x", strict=False)
        )
        raise Fatal("Enough.")

    run(streaming_step(stop_early), model=model)
    assert model.closed_count == 1


def test_an_item_too_large_for_its_event_is_rejected_when_a_model_wrote_it(run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "ITEM_MAX_BYTES": 100}
    outcome, records = asked(run, answering('{"text":"' + "x" * 200 + '"}\n{"text":"b"}\n'))
    assert outcome.output == {"count": 1}
    assert [type(change).__name__ for change in records.committed] == ["RejectedItem", "NewItem"]


def test_an_item_too_large_for_its_event_fails_for_good_when_a_handler_yields_it(run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "ITEM_MAX_BYTES": 100}

    def list_parts(ctx):
        yield Note(text="x" * 200)
        return Total(count=1)

    assert run(streaming_step(list_parts)).error.code == "item-too-large"


def test_characters_that_no_database_takes_are_replaced_in_items_messages_and_outputs(run):
    records = FakeRecords()

    def list_parts(ctx):
        ctx.say("Reading {name}", name="a\x00b")
        yield Note(text="a\x00b")
        return Total(count=1)

    run(streaming_step(list_parts), records=records)
    assert records.said == ["Reading a\ufffdb"]
    assert records.committed[0].value == {"text": "a\ufffdb"}


def test_words_of_a_model_that_end_no_item_count_as_activity(run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "ACTIVITY_INTERVAL_SECONDS": 1e-9}
    model, records = answering('{"te', 'xt":', '"a"}\n'), FakeRecords()
    run(streaming_step(ask_model, idle_timeout=60), records=records, model=model)
    assert records.touched == 3


def test_a_flush_that_failed_is_never_reported_as_done(run):
    records = FakeRecords()

    def refuse_once() -> None:
        records.on_commit = lambda: None
        raise OSError("the database is away")

    def list_parts(ctx):
        yield Note(text="first")
        records.on_commit = refuse_once
        for text in ("second", "third"):
            yield Note(text=text)
        try:
            ctx.flush()
        except OSError:
            ctx.flush()
        return Total(count=3)

    assert isinstance(run(streaming_step(list_parts), records=records), Failed)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**64])
def test_a_number_that_no_row_can_hold_fails_for_good(run, number):
    @step(title="Measuring")
    def measure(ctx) -> float | int:
        return number

    assert run(measure).error.code == "not-storable"


def test_a_wait_is_taken_only_from_our_own_error(run):
    class Foreign(Exception):
        seconds = None

    @step(title="Asking")
    def ask(ctx) -> None:
        raise Foreign

    assert run(ask).retry_after_seconds == 0


def test_a_rejection_fits_its_event_whatever_the_model_wrote(run):
    from outbox import wire

    key = "\U0001f600" * 5_000
    _, records = asked(run, answering('{"' + key + '":"' + "\\u0001" * 900 + '"}\n{"text":"b"}\n'))
    rejected = records.committed[0]
    assert isinstance(rejected, RejectedItem)
    assert len(wire.encode(vars(rejected))) < 20_000
