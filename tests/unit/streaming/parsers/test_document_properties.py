"""Documents: the same results for every way of cutting the bytes, with `json.loads` as the oracle."""

import json
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.parsers import DocumentParser, Limits, Parsed, Rejected
from tests.unit.streaming.parsers.document_corpus import DOCUMENTS
from tests.unit.streaming.parsers.runs import documents, either, found, parse
from tests.unit.streaming.parsers.test_ndjson_properties import CUTS, FRAGMENTS, SMALL, VALUES

NAMES = st.sampled_from(["items", "item", "summary", "a", "b", "~/", "ü"])
# Documents with much on the paths below, whatever else is in them.
NESTED = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
ROOTS = st.dictionaries(NAMES, NESTED, max_size=5) | st.lists(NESTED, max_size=5)
PATH_SETS = st.sampled_from(
    [
        ("items.item", "summary"),
        ("items.item.a", "items.item.b.item", "summary", "a.b"),
        ("items", "a.b.item"),
        ("items.*", "a.*.item"),
        ("item",),
        ("item.a", "item.summary"),
        ("*",),
        ("item.item", "items.item.item", "a.item.*"),
        ("",),
    ]
)
FORMS = st.fixed_dictionaries({"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, None, 0, 2])})
PIECES = FRAGMENTS | st.sampled_from(
    [
        b'"items":',
        b'"items":[',
        b'"summary":',
        b'{"items":[{"a":1},',
        b"]}",
        b"},",
        b'"x":[[',
        b"// x\n",
        b"'a'",
    ]
)


class Impatient(DocumentParser):
    """Looks at a value before it has come in full, as the other does at a long one."""

    held_bytes = 6


def impatient(*paths):
    return partial(Impatient, paths)


def expected(path: str, value, steps=None, pointer="") -> list[tuple[str, object]]:
    """What stands at a path, by the whole value."""
    steps = (path.split(".") if path else []) if steps is None else steps
    if not steps:
        return [(pointer, value)]
    step, *others = steps
    members = []
    if isinstance(value, dict):
        members = [(key, member) for key, member in value.items() if step in (key, "*")]
    elif isinstance(value, list) and step == "item":
        members = [(str(index), member) for index, member in enumerate(value)]
    inner = [
        expected(path, member, others, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
        for key, member in members
    ]
    return [pair for pairs in inner for pair in pairs]


@settings(max_examples=100, deadline=None)
@given(
    root=ROOTS,
    paths=PATH_SETS,
    form=FORMS,
    cuts=CUTS,
    around=st.sampled_from([("", ""), ("```json\n", "\n```\n")]),
)
def test_each_path_gives_what_json_reads_there(root, paths, form, cuts, around):
    text = around[0] + json.dumps(root, **form) + around[1]

    results, end = parse(text.encode(), cuts=cuts, make=documents(*paths))

    wanted = [pair for path in paths for pair in expected(path, root)]
    assert sorted(found(results), key=repr) == sorted(wanted, key=repr)
    assert end.rejected == 0
    if wanted:
        assert (end.kind, end.prose) == ("complete", "")
    for result in results:
        assert text.encode()[result.position.offset :].decode().startswith(tuple('{["-0123456789tfn'))


@settings(max_examples=80, deadline=None)
@given(root=ROOTS, paths=PATH_SETS, form=FORMS)
def test_values_come_in_the_order_of_the_text_and_byte_by_byte_the_same(root, paths, form):
    data = json.dumps(root, **form).encode()

    whole = parse(data, make=documents(*paths))

    offsets = [result.position.offset for result in whole[0]]
    assert offsets == sorted(offsets)
    assert parse(data, cuts=range(len(data)), make=documents(*paths)) == whole


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(NESTED, min_size=3, max_size=12),
    size=st.integers(1, 60),
    form=st.sampled_from([{}, {"indent": 1}]),
    make=st.sampled_from([documents, impatient, either]),
)
def test_each_value_is_given_out_with_the_chunk_that_closes_it(values, size, form, make):
    text = json.dumps({"items": values}, **form)
    parser = make("items.item")(limits=None)

    closed = 0
    for start in range(0, len(text), size):
        for result in parser.feed(text[start : start + size]):
            at = result.position.offset
            value, end = json.JSONDecoder().raw_decode(text, at)
            end += not isinstance(value, dict | list | str)  # a number ends where something follows it
            assert start < end <= start + size
            closed += 1
    assert closed == len(values)


@settings(max_examples=80, deadline=None)
@given(root=ROOTS, paths=PATH_SETS, cut=st.integers(1, 10_000), cuts=CUTS)
def test_a_cut_document_shows_only_what_the_whole_one_has_and_is_never_complete(root, paths, cut, cuts):
    data = json.dumps(root).encode()
    shorter = data[: 1 + cut % (len(data) - 1)]

    results, end = parse(shorter, cuts=cuts, make=documents(*paths))

    whole, _ = parse(data, make=documents(*paths))
    taken = [result for result in results if isinstance(result, Parsed)]
    assert taken == whole[: len(taken)]
    assert end.kind != "complete"


@settings(max_examples=150, deadline=None)
@given(
    fragments=st.lists(PIECES, max_size=60),
    cuts=CUTS,
    limits=st.sampled_from([None, SMALL]),
    paths=PATH_SETS,
    make=st.sampled_from([documents, impatient, either]),
)
def test_any_bytes_give_the_same_results_for_every_cut_and_never_an_exception(
    fragments, cuts, limits, paths, make
):
    data, options = b"".join(fragments), {"limits": limits, "make": make(*paths)}

    whole = parse(data, **options)

    assert parse(data, cuts=cuts, **options) == whole
    assert parse(data, cuts=range(len(data)), **options) == whole
    if make is impatient:
        assert parse(data, make=documents(*paths), limits=limits) == whole
    for result in whole[0]:
        stored = result.raw if isinstance(result, Rejected) else json.dumps(result.value, ensure_ascii=False)
        assert "\0" not in stored
        assert stored.encode().decode() == stored


@settings(max_examples=100, deadline=None)
@given(
    answers=st.lists(st.sampled_from(DOCUMENTS), min_size=1, max_size=4),
    cuts=CUTS,
    limits=st.sampled_from([None, Limits(max_line_bytes=60, max_string_bytes=30)]),
    make=st.sampled_from([documents, impatient, either]),
)
def test_broken_documents_in_a_row_give_the_same_results_for_every_cut(answers, cuts, limits, make):
    parts = (answer.text.encode() if isinstance(answer.text, str) else answer.text for answer in answers)
    data, options = b"\n".join(parts), {"limits": limits, "make": make(*answers[0].paths)}

    assert parse(data, cuts=cuts, **options) == parse(data, **options)


@settings(deadline=None)
@given(
    root=st.dictionaries(NAMES, NESTED, max_size=5),
    lines=st.lists(st.dictionaries(NAMES, VALUES), min_size=1),
)
def test_auto_reads_a_document_as_a_document_and_lines_as_lines(root, lines):
    document = json.dumps({"title": "x", **root, "report": {"parts": [1, 2]}})
    line_text = "\n".join(map(json.dumps, lines))

    assert (
        parse(document, make=either("report.parts.item"))[0]
        == parse(document, make=documents("report.parts.item"))[0]
    )
    assert parse(line_text, make=either("report.parts.item")) == parse(line_text)
