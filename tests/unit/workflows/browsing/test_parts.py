"""Every part of any JSON is found, and shown as a reader of the whole would see it; json.loads is the oracle."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import wire
from workflows.browsing import Broken, NoSuchPart, Place, Reader, Shown, Text, child, parse, scanning
from workflows.browsing import text as text_module

TEXTS = st.text(st.sampled_from('ab{}[],:"\\\né€😀\x01 '), max_size=12)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(TEXTS, inner, max_size=8),
    max_leaves=40,
)
KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
ENOUGH = 10**9


@pytest.fixture(scope="module", params=[1, 2, 7, 65_536])
def block_bytes(request: pytest.FixtureRequest) -> Any:
    """A block may end anywhere: within a string, an escape, a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "FIRST_BLOCK_BYTES", max(request.param, 2))
        patch.setattr(scanning, "BLOCK_BYTES", max(request.param, 2))
        patch.setattr(text_module, "WINDOW_BYTES", request.param)
        yield request.param


def reader_of(value: Any) -> Reader:
    data = wire.encode(value)
    return Reader(Text(io.BytesIO(data), len(data)))


def shown(**limits: Any) -> Shown:
    values = {"limit": ENOUGH, "string_bytes": ENOUGH, "bytes_left": ENOUGH, "link": lambda place: place}
    return Shown(**{**values, **limits})


def places(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    """Each pointer into `value` with what is there."""
    found = [(pointer, value)]
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        found += places(member, child(pointer, key))
    return found


def expected(value: Any, pointer: str, depth: int) -> dict[str, Any]:
    kind = KINDS.get(type(value), "number")
    if not isinstance(value, dict | list):
        return {"pointer": pointer, "kind": kind, "value": value}
    node = {"pointer": pointer, "kind": kind, "count": len(value), "size": len(wire.encode(value))}
    if depth:
        members = sorted(value.items()) if isinstance(value, dict) else enumerate(value)
        node["members"] = [
            {"key": key, **expected(member, child(pointer, key), depth - 1)} for key, member in members
        ]
        node["next"] = None
    return node


@given(VALUES, st.integers(0, 3))
def test_every_part_of_any_value_is_found_and_shown_as_it_is(block_bytes, value, depth):
    reader = reader_of(value)
    for pointer, part in places(value):
        at, found = reader.find(parse(pointer))
        assert found == pointer
        assert reader.show(at, pointer, shown(), depth=depth) == expected(part, pointer, depth)
        encoded = wire.encode(part)
        assert reader.end(at) == at + len(encoded)
        assert reader.text.read(at, len(encoded)) == encoded


def test_no_level_is_none_also_where_a_page_goes_on():
    reader = reader_of([[[1]], [[2]]])
    after = reader.show(0, "", shown(limit=1), depth=1)["next"]
    assert reader.show(0, "", shown(), depth=0, after=after) == expected([[[1]], [[2]]], "", 0)


@given(VALUES, st.integers(1, 3))
def test_the_pages_of_a_part_are_its_members_once_and_in_order(block_bytes, value, limit):
    reader = reader_of(value)
    for pointer, part in places(value):
        if not isinstance(part, dict | list):
            continue
        at, _ = reader.find(parse(pointer))
        members: list[Any] = []
        after: Place | None = None
        while True:
            page = reader.show(at, pointer, shown(limit=limit), depth=1, after=after)
            assert (page["count"], page["size"]) == (len(part), len(wire.encode(part)))
            assert len(page["members"]) <= limit
            members += page["members"]
            after = page["next"]
            if after is None:
                break
            assert after.index == len(members)
        assert members == expected(part, pointer, 1)["members"]


@given(VALUES, st.lists(TEXTS | st.integers(0, 9).map(str), min_size=1, max_size=4))
def test_a_pointer_that_leads_nowhere_says_how_far_it_leads(block_bytes, value, names):
    here, nearest = value, ""
    for name in names:
        is_member = isinstance(here, dict) and name in here
        is_entry = isinstance(here, list) and name.isdigit() and int(name) < len(here)
        if not (is_member or is_entry):
            break
        here = here[name] if is_member else here[int(name)]
        nearest = child(nearest, name)
    else:
        return
    with pytest.raises(NoSuchPart) as caught:
        reader_of(value).find(tuple(names))
    assert caught.value.nearest == nearest
    assert caught.value.kind == KINDS.get(type(here), "number")
    assert caught.value.count == (len(here) if isinstance(here, dict | list) else None)


@given(VALUES, st.data())
def test_a_text_that_was_cut_is_broken_and_never_read_for_ever(block_bytes, value, data):
    encoded = wire.encode({"a": [value], "z": ""})
    cut = data.draw(st.integers(0, len(encoded) - 1))
    reader = Reader(Text(io.BytesIO(encoded[:cut]), cut))
    with pytest.raises(Broken):
        reader.show(0, "", shown(), depth=3)


@given(TEXTS.filter(len), st.integers(1, 20))
def test_a_long_text_is_cut_between_two_signs(text, string_bytes):
    at, pointer = reader_of([text]).find(("0",))
    whole = len(wire.encode(text))
    member = reader_of([text]).show(0, "", shown(string_bytes=string_bytes), depth=1)["members"][0]
    assert text.startswith(member["value"])
    assert member.get("is_cut", False) == (whole - 2 > string_bytes)
    assert member.get("size", whole) == whole
    assert len(wire.encode(member["value"])) - 2 <= max(string_bytes, 0)
    assert reader_of([text]).show(at, pointer, shown(string_bytes=1), depth=1)["value"] == text


def test_an_answer_ends_when_it_is_large_enough_and_goes_on_where_it_ended():
    reader = reader_of([["x" * 100] * 100] * 3)
    page = reader.show(0, "", shown(bytes_left=5_000), depth=2)
    assert [len(member["members"]) for member in page["members"]] == [30]
    assert (page["count"], page["next"].index) == (3, 1)
    following = reader.show(0, "", shown(bytes_left=1), depth=2, after=page["next"])
    assert [len(member["members"]) for member in following["members"]] == [1]


def test_an_index_is_written_as_json_pointers_write_it():
    reader = reader_of(["a", "b"])
    for name in ("-1", "01", "+1", "1.0", "-", "", "²", "1" * 19):
        with pytest.raises(NoSuchPart):
            reader.find((name,))


@pytest.mark.parametrize("pointer", ["a", "a/b", "/~", "/~2", "/a~"])
def test_a_pointer_that_is_none_is_refused(pointer):
    with pytest.raises(ValueError, match="pointer"):
        parse(pointer)


def test_names_with_slashes_and_tildes_are_written_and_read():
    assert child("/a", "b/c~d") == "/a/b~1c~0d"
    assert parse("/a/b~1c~0d/~01") == ("a", "b/c~d", "~1")
    assert parse("/") == ("",)
