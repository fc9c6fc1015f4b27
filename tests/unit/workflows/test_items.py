import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.engine.items import (
    CommittedItem,
    ItemsReset,
    Keeper,
    NewItem,
    ReplacedItem,
    RetractedItem,
    item_key,
    policy_for,
)


def new(key: str, text: str = "") -> NewItem:
    return NewItem(key=key, type="Note", value={"text": text})


def committed(index: int, key: str, text: str = "") -> CommittedItem:
    return CommittedItem(index=index, key=key, value={"text": text})


def test_an_item_that_an_earlier_attempt_committed_is_dropped():
    keeper = Keeper([committed(0, "a")])
    assert keeper.admit(new("a")) == []
    assert keeper.admit(new("b")) == [new("b")]


def test_earlier_items_are_a_multiset():
    keeper = Keeper([committed(0, "a"), committed(1, "a")])
    assert [keeper.admit(new("a")) for _ in range(3)] == [[], [], [new("a")]]


def test_items_of_the_same_attempt_are_never_compared():
    keeper = Keeper([])
    assert [keeper.admit(new("a")) for _ in range(2)] == [[new("a")], [new("a")]]


def test_another_content_under_the_same_key_replaces_the_earlier_item():
    keeper = Keeper([committed(4, "a", "old")])
    assert keeper.admit(new("a", "new")) == [ReplacedItem(index=4, key="a", value={"text": "new"})]


def test_of_several_under_one_key_the_one_that_says_the_same_is_dropped_and_the_others_stay_as_they_are():
    keeper = Keeper([committed(0, "a", "1"), committed(1, "a", "2")])
    assert keeper.admit(new("a", "2")) == []
    assert keeper.admit(new("a", "1")) == []
    assert keeper.finish() == []
    changed = Keeper([committed(0, "a", "1"), committed(1, "a", "2"), committed(2, "a", "3")])
    admitted = [changed.admit(new("a", text)) for text in ("2", "4", "3", "5")]
    replaced = ReplacedItem(index=0, key="a", value={"text": "4"})
    assert admitted == [[], [replaced], [], [new("a", "5")]]


def test_what_a_finished_attempt_did_not_yield_again_is_retracted_in_order():
    keeper = Keeper([committed(0, "b"), committed(1, "a"), committed(2, "b"), committed(3, "c", "old")])
    for item in (new("b"), new("d"), new("c", "new")):
        keeper.admit(item)
    assert keeper.finish() == [
        RetractedItem(index=1, key="a", value={"text": ""}),
        RetractedItem(index=2, key="b", value={"text": ""}),
    ]


def test_an_attempt_that_was_told_what_is_done_retracts_nothing():
    keeper = Keeper([committed(0, "a"), committed(1, "b")])
    keeper.admit(new("a"))
    assert keeper.tell() == [committed(0, "a"), committed(1, "b")]
    assert keeper.finish() == []


def test_replacing_begins_with_the_first_item_and_is_said_once():
    policy = policy_for("replace", [committed(0, "a"), committed(4, "b")])
    reset = ItemsReset(policy="replace", keep_through=-1)
    assert policy.admit(new("a")) == [reset, new("a")]
    assert (policy.admit(new("a")), policy.finish()) == ([new("a")], [])


def test_appending_says_up_to_where_the_earlier_items_stay():
    policy = policy_for("append", [committed(0, "a"), committed(4, "b")])
    assert policy.admit(new("a")) == [ItemsReset(policy="append", keep_through=4), new("a")]
    assert (policy.admit(new("a")), policy.finish()) == ([new("a")], [])


def test_an_attempt_that_ends_well_without_an_item_replaces_the_earlier_ones_by_none():
    earlier = [committed(0, "a")]
    assert policy_for("replace", earlier).finish() == [ItemsReset(policy="replace", keep_through=-1)]
    assert policy_for("append", earlier).finish() == []


@pytest.mark.parametrize("policy", ["keep", "replace", "append"])
def test_with_nothing_before_it_an_attempt_only_writes_what_it_yields(policy):
    first = policy_for(policy, [])
    assert (first.admit(new("a")), first.tell(), first.finish()) == ([new("a")], [], [])


@pytest.mark.parametrize("policy", ["replace", "append"])
def test_only_who_keeps_the_earlier_items_goes_on_after_them(policy):
    assert policy_for(policy, [committed(0, "a")]).tell() == []


def test_the_key_is_the_declared_field():
    assert item_key({"text": "lamp"}, field="text") == "lamp"


def test_a_key_too_long_for_its_column_becomes_its_hash():
    assert len(item_key({"text": "x" * 10_000}, field="text")) == 64


@given(st.dictionaries(st.text(), st.integers() | st.text(), min_size=1))
def test_without_a_declared_field_the_key_does_not_depend_on_the_order_of_fields(value):
    value = {key: item for key, item in value.items() if not isinstance(item, int) or abs(item) < 2**53}
    backwards = dict(reversed(list(value.items())))
    try:
        key = item_key(value, field=None)
    except TypeError:  # lone surrogates: refused by the encoder, both ways
        return
    assert item_key(backwards, field=None) == key
