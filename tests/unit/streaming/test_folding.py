from typing import Any

import pytest

from streaming.folding import fold_items, items_of


def event(kind: str, step: str = "write", **data: Any) -> dict[str, Any]:
    return {"type": kind, "step": step, "data": data}


def committed(index: int, value: str, step: str = "write") -> dict[str, Any]:
    return event("item.committed", step, index=index, key=value, type="Word", value={"text": value})


def texts(*events: dict[str, Any]) -> dict[str, list[str]]:
    return {
        step: [item["value"]["text"] for item in held.values()] for step, held in items_of(events).items()
    }


TWO = [committed(0, "a"), committed(1, "b")]


def test_items_are_held_by_step_in_order_of_index() -> None:
    assert texts(*TWO, committed(0, "z", "read")) == {"write": ["a", "b"], "read": ["z"]}


def test_a_replaced_item_keeps_its_place_and_its_type() -> None:
    new = event("item.replaced", index=0, key="a", value={"text": "c"})
    assert items_of([*TWO, new])["write"][0] == {
        "index": 0,
        "key": "a",
        "type": "Word",
        "value": {"text": "c"},
    }


def test_a_replaced_item_is_repaired_only_if_its_new_content_was() -> None:
    repair = {"by": "respelling", "position": 0, "size": 9, "sha256": "0" * 64}
    first = event("item.committed", index=0, key="a", type="Word", value={"text": "a"}, repaired=repair)
    new = event("item.replaced", index=0, key="a", value={"text": "c"})
    again = event("item.replaced", index=0, key="a", value={"text": "d"}, repaired=repair)
    assert "repaired" not in items_of([first, new])["write"][0]
    assert items_of([first, new, again])["write"][0]["repaired"] == repair


def test_a_retracted_item_is_gone_and_a_second_word_of_it_changes_nothing() -> None:
    gone = event("item.retracted", index=0, key="a", value={"text": "a"})
    assert texts(*TWO, gone, gone) == {"write": ["b"]}


@pytest.mark.parametrize(("keep_through", "left"), [(-1, []), (0, ["a"]), (1, ["a", "b"]), (9, ["a", "b"])])
def test_a_reset_keeps_what_is_not_above_its_number(keep_through: int, left: list[str]) -> None:
    reset = event("items.reset", policy="replace", keep_through=keep_through)
    assert texts(*TWO, reset, committed(2, "c")) == {"write": [*left, "c"]}


def test_a_reset_is_about_its_own_step() -> None:
    reset = event("items.reset", "read", policy="replace", keep_through=-1)
    assert texts(*TWO, reset) == {"write": ["a", "b"]}


@pytest.mark.parametrize(
    "other", [event("run.started"), {"type": "item.painted", "data": None}, {"type": "x"}]
)
def test_events_about_something_else_change_nothing(other: dict[str, Any]) -> None:
    assert {step: held for step, held in fold_items({}, other).items() if held} == {}
