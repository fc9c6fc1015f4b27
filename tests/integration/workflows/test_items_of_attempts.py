"""What becomes of the items of earlier attempts, by the step's policy; and that rows, events and readers agree."""

from collections.abc import Generator
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel

from outbox.models import Entry
from outbox.wire import envelope
from streaming.folding import items_of
from streaming.llm import Prompt
from workflows import selectors
from workflows.definitions import Retry, Workflow, fan_out, step
from workflows.engine.items import ItemsReset, NewItem, RetractedItem
from workflows.errors import LeaseLost, Retryable
from workflows.models import Item, Run
from workflows.services import items, rerun
from workflows.testing.faults import Died

pytestmark = pytest.mark.django_db

POLICIES = ("keep", "keep by key", "replace", "append")


class Drawn(BaseModel):
    """attempts: for each one what it yields, such as "a1 b1 a2", and how it ends."""

    attempts: list[tuple[str, str]] = []


class Word(BaseModel):
    name: str
    text: str


def body(ctx: Any) -> Generator[Word, None, int]:
    yields, ending = ctx.input.attempts[ctx.attempt - 1]
    if ending == "goes on":
        ctx.items(ctx._step)
    for text in yields.split():
        yield Word(name=text[0], text=text)
    if ending == "fails":
        raise Retryable("The shop is closed.")
    if ending == "dies":
        raise Died
    return len(yields.split())


@step(title="Counting")
def count(ctx: Any) -> list[str]:
    return [word.text for word in ctx.items(ctx._workflow.step("write"))]


@step(title="Sending", retry=Retry(attempts=1))
def send(ctx: Any) -> str:
    return str(ctx.item.text)


def declared(policy: str) -> Workflow:
    handler = type(body)(body.__code__, globals(), "write")
    handler.__annotations__ = body.__annotations__
    name, _, by_key = policy.partition(" ")
    options: Any = {"on_retry": name, "item_key": "name" if by_key else None}
    write: Any = step(title="Writing", items=Word, retry=Retry(attempts=9), **options)(handler)
    steps = [write, count, fan_out(send, over=write)]
    return Workflow(f"test-{policy.replace(' ', '-')}", version=1, input=Drawn, title="A text", steps=steps)


WORKFLOWS = {policy: declared(policy) for policy in POLICIES}


def started(longhaul: Any, policy: str, *attempts: tuple[str, str]) -> Run:
    return longhaul.start(WORKFLOWS[policy], input={"attempts": attempts})


def current(run: Run) -> list[str]:
    rows = Item.objects.current().filter(run=run).order_by("index")
    return [data["text"] for data in rows.values_list("data", flat=True)]


def told(run: Run) -> list[str]:
    """What a client holds who applied every event, in order of index."""
    log = Entry.objects.filter(stream_id=run.pk).order_by("seq")
    held = items_of(envelope(entry) for entry in log).get("write", {})
    return [item["value"]["text"] for item in held.values()]


def expected(policy: str, earlier: list[str], yields: list[str], ending: str) -> list[str]:
    """A second statement of the policies, on lists of texts."""
    if policy == "append":
        return earlier + yields
    if policy == "replace":
        return yields if yields or ending not in ("fails", "dies") else earlier
    if ending == "well":
        return yields
    kept = list(earlier)
    for text in yields:  # it is the one that says the same; by key, else the first of its name
        named = (one for one in kept if one[0] == text[0] and policy == "keep by key")
        again = text if text in kept else next(named, None)
        if again:
            kept.remove(again)
    return kept + yields


words = st.lists(st.sampled_from(["a1", "a2", "b1", "b2", "c1"]), max_size=5).map(" ".join)
tries = st.lists(st.tuples(words, st.sampled_from(["fails", "dies"])), max_size=3)
endings = st.tuples(words, st.sampled_from(["well", "goes on"]))


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    policy=st.sampled_from(POLICIES), attempts=st.tuples(tries, endings).map(lambda two: [*two[0], two[1]])
)
@example(policy="keep", attempts=[("a1 b1 b1", "fails"), ("b1", "dies"), ("b1 c1", "well")])
@example(policy="keep by key", attempts=[("a1 b1", "fails"), ("a2", "fails"), ("b2", "well")])
@example(policy="keep by key", attempts=[("a1 a2", "fails"), ("a2", "goes on")])
@example(policy="keep", attempts=[("a1 b1", "fails"), ("", "goes on")])
@example(policy="replace", attempts=[("a1 b1", "dies"), ("", "fails"), ("c1", "dies"), ("", "well")])
@example(policy="append", attempts=[("a1", "fails"), ("", "fails"), ("a1", "well")])
def test_whatever_attempts_yield_the_events_tell_the_rows_that_are_current(longhaul, policy, attempts):
    run = started(longhaul, policy, *attempts)
    write, held = run.steps.get(name="write"), list[str]()
    for yields, ending in attempts:
        longhaul.work(write)
        held = expected(policy, held, yields.split(), ending)
        as_sets = sorted if policy.startswith("keep") else list
        assert as_sets(current(run)) == as_sets(held)
        assert told(run) == current(run)
        longhaul.check(run)
        for _ in range(2):  # a lost lease, then the wait before the next attempt
            longhaul.sweep(after_seconds=120)
    run = longhaul.finish(run)
    steps = {planned["name"]: planned for planned in selectors.snapshot(run)["steps"]}
    assert steps["write"]["items_count"] == len(held)
    assert selectors.read_output(run.steps.get(name="count").pk) == current(run)
    assert selectors.result(run) == current(run), "one part for each current item"
    longhaul.check(run)


def test_a_worker_that_dies_while_it_retracts_leaves_the_rest_to_the_next(longhaul):
    run = started(longhaul, "keep", ("a1 b1 c1", "fails"), ("", "well"), ("b1", "well"))
    longhaul.work(run.steps.get(name="write"))
    longhaul.sweep(after_seconds=120)
    longhaul.fault("write", "die_in_body", after_items=2)
    longhaul.work(run.steps.get(name="write"))
    assert current(run) == ["c1"]
    run = longhaul.finish(run)
    assert current(run) == ["b1"]
    assert list(
        Item.objects.filter(run=run).order_by("index").values_list("retracted_by_attempt", flat=True)
    ) == [2, 2, 3, None]
    longhaul.check(run)


def test_until_its_first_item_an_attempt_that_replaces_takes_nothing_away(longhaul):
    run = started(longhaul, "replace", ("a1 b1", "fails"), ("", "fails"), ("c1", "well"))
    longhaul.work(run.steps.get(name="write"))
    longhaul.sweep(after_seconds=120)
    longhaul.work(run.steps.get(name="write"))
    assert current(run) == ["a1", "b1"]
    longhaul.finish(run)
    kinds = [
        entry.type for entry in Entry.objects.filter(stream_id=run.pk).order_by("seq") if "item" in entry.type
    ]
    assert kinds == ["item.committed", "item.committed", "items.reset", "item.committed"]
    assert list(
        Item.objects.filter(run=run).order_by("index").values_list("index", "replaced_by_attempt")
    ) == [
        (0, 3),
        (1, 3),
        (2, None),
    ]


def test_a_reset_shares_the_commit_of_the_first_new_item(longhaul):
    run = started(longhaul, "replace", ("a1 b1", "fails"), ("c1", "fails"), ("", "well"))
    longhaul.work(run.steps.get(name="write"))
    longhaul.sweep(after_seconds=120)
    longhaul.fault("write", "die_in_body", after_items=1)
    longhaul.work(run.steps.get(name="write"))
    assert current(run) == told(run) == ["c1"]


def test_what_an_attempt_may_take_away_it_may_not_once_its_lease_is_lost(longhaul):
    run = started(longhaul, "keep", ("a1 b1", "fails"), ("a1", "well"))
    longhaul.work(run.steps.get(name="write"))
    longhaul.sweep(after_seconds=120)
    lease = longhaul.acquire(run.steps.get(name="write"))
    longhaul.lose(lease)
    for change in (
        RetractedItem(index=0, key="k", value={}),
        ItemsReset(policy="replace", keep_through=-1),
    ):
        with pytest.raises(LeaseLost):
            items.commit_items(lease, [change], clock=longhaul.clock)
    assert current(run) == told(run) == ["a1", "b1"]


def test_one_batch_may_reset_and_write(longhaul):
    run = started(longhaul, "append", ("a1 b1", "fails"), ("", "well"))
    longhaul.work(run.steps.get(name="write"))
    longhaul.sweep(after_seconds=120)
    lease = longhaul.acquire(run.steps.get(name="write"))
    new = [NewItem(key=text, type="Word", value={"name": "c", "text": text}) for text in ("c1", "c2")]
    items.commit_items(lease, [ItemsReset(policy="replace", keep_through=0), *new], clock=longhaul.clock)
    assert current(run) == told(run) == ["a1", "c1", "c2"]
    longhaul.check(run)


def test_a_model_that_was_told_what_is_done_takes_nothing_away(longhaul):
    def write(ctx: Any) -> Generator[Word, None, None]:
        yield from ctx.generate(Prompt(system="", text=""), items=Word)

    write.__annotations__["return"] = Generator[Word, None, None]
    model_writes: Any = step(title="Writing", items=Word)(write)
    workflow = Workflow("test-told", version=1, input=Drawn, title="A text", steps=[model_writes])
    longhaul.model.script(Word(name="a", text="a1"), finish="length")
    longhaul.model.script(Word(name="b", text="b1"))
    longhaul.model.otherwise = None
    run = longhaul.finish(longhaul.start(workflow))
    assert current(run) == ["a1", "b1"]


@pytest.fixture
def run(longhaul) -> Run:
    """Completed: one item retracted, one kept, one new."""
    return longhaul.finish(started(longhaul, "keep", ("a1 b1", "fails"), ("b1 c1", "well")))


def test_a_run_that_takes_items_over_takes_those_that_are_current(longhaul, run):
    child = longhaul.finish(rerun(run.pk, by=run.owner, from_step="count", clock=longhaul.clock))
    assert current(child) == told(child) == ["b1", "c1"]
    assert child.steps.get(name="write").items_count == 2
    longhaul.check(child)


def test_the_api_lists_current_items_and_all_of_them_when_asked(client, run):
    client.force_login(run.owner)
    address = reverse("run-items", args=[run.pk])
    listed = client.get(address).json()["items"]
    assert [item["value"]["text"] for item in listed] == ["b1", "c1"]
    assert "retracted_by_attempt" not in listed[0]

    whole = client.get(f"{address}?include=gone").json()["items"]
    fates = [
        (item["value"]["text"], item["replaced_by_attempt"], item["retracted_by_attempt"]) for item in whole
    ]
    assert fates == [("a1", None, 2), ("b1", None, None), ("c1", None, None)]
    assert client.get(f"{address}?include=all").status_code == 400


def test_the_page_shows_current_items_and_counts_them(client, run):
    client.force_login(run.owner)
    page = client.get(reverse("run-page", args=[run.pk])).content.decode()
    assert ">c1<" in page
    assert ">a1<" not in page
    assert 'data-part="count">2<' in page


def test_the_admin_shows_every_item_and_which_attempt_ended_it(client, admin_user, run):
    client.force_login(admin_user)
    page = client.get(reverse("admin:workflows_run_change", args=[run.pk])).content.decode()
    assert "retracted by try 2" in page
    assert 'Items <span class="lh-count">2</span>' in page
