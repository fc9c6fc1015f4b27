"""JSON values that every database takes."""

import pytest

from outbox import wire
from workflows.engine.storable import MAX_LEVELS, NotStorable, storable


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_a_character_that_no_database_takes_becomes_the_sign_for_one_in_keys_too():
    assert storable({"a\x00": ["\ud800b", "c"]}) == {"a\ufffd": ["\ufffdb", "c"]}


@pytest.mark.parametrize("number", [10**30, -(2**63) - 1, float("nan"), float("inf")])
def test_a_number_that_no_row_holds_is_refused(number):
    with pytest.raises(NotStorable):
        storable({"a": [number]})


def test_what_is_stored_can_be_written_in_an_event():
    deepest = nested(MAX_LEVELS)
    assert storable(deepest) == deepest
    assert wire.encode({"data": {"value": deepest}})


@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 100_000])
def test_what_is_nested_more_deeply_is_refused(levels):
    with pytest.raises(NotStorable, match="levels of nesting"):
        storable({"a": nested(levels - 1)})
