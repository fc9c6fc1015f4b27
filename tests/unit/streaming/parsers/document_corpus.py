"""Broken documents as models write them: name, text, what is found in them, what is rejected, how they end."""

from typing import NamedTuple

PATHS = ("items.item", "summary", "sections.*")


class Answer(NamedTuple):
    name: str
    text: str | bytes
    found: list[tuple[str, object]]
    rejected: list[str] = []
    kind: str = "complete"
    paths: tuple[str, ...] = PATHS


def at(*values, start: int = 0) -> list[tuple[str, object]]:
    return [(f"/items/{start + index}", value) for index, value in enumerate(values)]


A, B = {"a": 1}, {"b": "zwei – 2"}
DOCUMENT = '{"meta":{"n":[1,{"x":null}]},"items":[{"a":1},{"b":"zwei – 2"}],"summary":"done"}'
ALL = [*at(A, B), ("/summary", "done")]

DOCUMENTS = [
    # As asked for, and nearly.
    Answer("as it should be", DOCUMENT, ALL),
    Answer(
        "indented",
        '{\n  "items": [\n    {\n      "a": 1\n    }\n  ],\n  "summary": "done"\n}\n', [*at(A), ALL[2]],
    ),
    Answer("windows line ends", '{\r\n"items": [\r\n{"a":\r\n1}\r\n]\r\n}\r\n', at(A)),
    Answer("nothing at all", "", []),
    Answer("only blanks", " \n\r\n\t", []),
    Answer("a byte order mark", b"\xef\xbb\xbf" + DOCUMENT.encode(), ALL),
    Answer("an empty list", '{"items":[]}', []),
    Answer("an empty object", "{}", []),
    Answer("none of the paths", '{"error":"I cannot"}', []),
    Answer(
        "scalars of every kind",
        '{"items":["x",1,-0.5,true,false,null,1e3]}', at("x", 1, -0.5, True, False, None, 1e3),
    ),
    Answer("lists in lists", '{"items":[[1,[2]],[]]}', at([1, [2]], [])),
    Answer(
        "keyed objects",
        '{"sections":{"one":{"a":1},"t/w~o":[]}}', [("/sections/one", A), ("/sections/t~1w~0o", [])],
    ),
    Answer(
        "another kind of value than the paths say",
        '{"items":{"a":1},"sections":[1],"summary":{"x":[]}}', [("/summary", {"x": []})],
    ),
    Answer("a list as the document", '[{"a":1},{"b":"zwei – 2"}]', [("/0", A), ("/1", B)], paths=("item",)),
    Answer("the whole document", '{"a":1}', [("", A)], paths=("",)),
    Answer(
        "deep paths",
        '{"r":{"p":[{"t":1,"u":2},{"t":3}]}}', [("/r/p/0/t", 1), ("/r/p/1/t", 3)], paths=("r.p.item.t",),
    ),
    Answer("a member called item", '{"items":{"item":{"a":1}}}', [("/items/item", A)]),
    Answer("escaped names", '{"\\u0069tems":[1]}', at(1)),
    # Fences and prose.
    Answer("a code fence", f"```json\n{DOCUMENT}\n```\n", ALL),
    Answer("a fence of four without a language", f"````\n{DOCUMENT}\n````", ALL),
    Answer("a fence of tildes", f"~~~json\n{DOCUMENT}\n~~~", ALL),
    Answer("a fence that is never closed", f"```json\n{DOCUMENT}", ALL),
    Answer("a fence on the line of the document", f"```json {DOCUMENT} ```", ALL),
    Answer("a string that holds a fence", '{"summary":"```json\\n{}\\n```"}', [("/summary", "```json\n{}\n```")]),
    Answer("prose before", f"Here is the analysis:\n\n{DOCUMENT}", ALL),
    Answer("prose before on its line", f"Sure! {DOCUMENT}", ALL),
    Answer("prose after", f"{DOCUMENT}\n\nI hope that this helps {{you}}!", ALL),
    Answer("braces in prose", f"I use {{x}} and {{…}} as [placeholders].\n{DOCUMENT}", ALL),
    Answer("braces that begin a line of prose", f"{{x}} is a name.\n[page 3] says:\n{DOCUMENT}", ALL),
    Answer("a footnote before", f"[1] says so:\n{DOCUMENT}", ALL),
    Answer("an example in prose before", f'Items look like {{"a": 1}}, so:\n{DOCUMENT}', ALL),
    Answer("a half example in prose before", f'Items look like {{"a": …}}, so:\n{DOCUMENT}', ALL),
    Answer("another document before", '{"plan":["read","write"]}\n' + DOCUMENT, ALL),
    Answer("only prose", "I am sorry, but I cannot help with {that}.", [], kind="invalid"),
    Answer("a lone scalar", "null", [], kind="invalid"),
    # More than one document.
    Answer("a second one", f"{DOCUMENT}\n{DOCUMENT}", ALL, ["trailing"]),
    Answer("a second one on the line", '{"items":[1]}{"items":[2]}', at(1), ["trailing"]),
    Answer("rubbish after", f"{DOCUMENT}#", ALL),
    Answer("a bracket too many", f"{DOCUMENT}}}]", ALL),
    # Broken values: they cost themselves.
    Answer("a trailing comma in a value", '{"items":[{"x":1,},{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("a comment in a value", '{"items":[{"x":1 /* one */},{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("single quotes in a value", "{\"items\":[{'x': 'y'},{\"a\":1}]}", at(A, start=1), ["syntax"]),
    Answer("keys without quotes in a value", '{"items":[{x: 1},{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("python's words", '{"items":[{"x":None},True,{"a":1}],"summary":None}', at(A, start=2), ["syntax"] * 3),
    Answer("a missing comma in a value", '{"items":[{"x":1 "y":2},{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("brackets that do not match in a value", '{"items":[{"x":[1}},{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("quotation marks not escaped", '{"items":[{"x":"a "b" c"},{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("an unknown escape", '{"items":["\\q",{"a":1}]}', at(A, start=1), ["syntax"]),
    Answer("a skipped part that is no JSON", '{"meta":{"x":[1,]},"items":[{"a":1}]}', at(A), ["syntax"]),
    Answer("a skipped word that is no JSON", '{"meta":undefined,"items":[{"a":1}]}', at(A), ["syntax"]),
    # Broken between the values: what closed is kept.
    Answer("a comma before the end of a list", '{"items":[{"a":1},],"summary":"x"}', at(A), ["syntax"], "invalid"),
    Answer("a comma before the end", '{"items":[{"a":1}],}', at(A), ["syntax"], "invalid"),
    Answer("a missing comma", '{"items":[{"a":1}{"b":2}]}', at(A), ["syntax"], "invalid"),
    Answer("a missing colon", '{"items":[{"a":1}],"summary" "x"}', at(A), ["syntax"], "invalid"),
    Answer("a missing value", '{"items":[{"a":1}],"summary":}', at(A), ["syntax"], "invalid"),
    Answer("the wrong bracket", '{"items":[{"a":1}},"summary":"x"}', at(A), ["syntax"], "invalid"),
    Answer("a comment between", '{"items":[{"a":1}, // one\n{"b":2}]}', at(A), ["syntax"], "invalid"),
    Answer("an ellipsis", '{"items":[{"a":1}, ...]}', at(A), ["syntax"], "complete"),
    Answer("an ellipsis without a comma", '{"items":[{"a":1} ... ]}', at(A), ["syntax"], "invalid"),
    Answer("single quotes throughout", "{'items': [{'a': 1}]}", [], ["syntax"], "invalid"),
    Answer("names without quotes", '{items: [{"a": 1}]}', [], ["syntax"], "invalid"),
    Answer("a name that is a number", '{"summary":"x",1:2}', [("/summary", "x")], ["syntax"], "invalid"),
    Answer("a form feed between", '{"summary":"x",\x0c"items":[]}', [("/summary", "x")], ["syntax"], "invalid"),
    # Values that are JSON for some and not for others.
    Answer("a key twice in a value", '{"items":[{"x":1,"x":2},{"a":1}]}', at(A, start=1), ["duplicate_key"]),
    Answer(
        "a key twice, once escaped",
        '{"items":[{"x":1,"\\u0078":2},{"a":1}]}', at(A, start=1), ["duplicate_key"],
    ),
    Answer("a path twice", '{"summary":"x","summary":"y"}', [("/summary", "x")], ["duplicate_key"]),
    Answer(
        "a path twice, once escaped",
        '{"summary":"x","\\u0073ummary":"y"}', [("/summary", "x")], ["duplicate_key"],
    ),
    Answer(
        "a list of items twice",
        '{"items":[{"a":1}],"items":[{"a":2}],"summary":"x"}', [*at(A), ("/summary", "x")], ["duplicate_key"],
    ),
    Answer(
        "a keyed object's key twice",
        '{"sections":{"a":1,"a":2,"b":3}}', [("/sections/a", 1), ("/sections/b", 3)], ["duplicate_key"],
    ),
    Answer(
        "not a number",
        '{"items":[NaN,{"x":Infinity},-Infinity,{"a":1}]}', at(A, start=3), ["not_a_number"] * 3,
    ),
    Answer(
        "numbers out of range",
        '{"items":[1e400,9223372036854775808,{"a":1}]}', at(A, start=2), ["number_out_of_range"] * 2,
    ),
    Answer("the largest integers", '{"items":[9223372036854775807,-9223372036854775808]}', at(2**63 - 1, -(2**63))),
    Answer("a very long number", f'{{"items":[{"1" * 5000},{{"a":1}}]}}', at(A, start=1), ["number_too_long"]),
    Answer(
        "a very long number in a skipped part",
        f'{{"x":[{"1" * 5000}],"items":[{{"a":1}}]}}', at(A), ["number_too_long"],
    ),
    Answer("a very long exponent", '{"items":[1e999999999,{"a":1}]}', at(A, start=1), ["number_out_of_range"]),
    Answer(
        "numbers that are none",
        '{"items":[01,1.,.5,+1,0x10,1_000,--1,-,{"a":1}]}', at(A, start=8), ["syntax"] * 8,
    ),
    # Characters.
    Answer(
        "an escaped NUL",
        '{"items":["\\u0000y"],"sections":{"x\\u0000":1}}', [*at("\ufffdy"), ("/sections/x\ufffd", 1)],
    ),
    Answer("a plain NUL", b'{"items":["\0y"]}', at("\ufffdy")),
    Answer("lone halves", '{"items":["\\ud83d!","\\ude00","\\ud83d\\ude00"]}', at("\ufffd!", "\ufffd", "😀")),
    Answer(
        "tabs, line breaks and control characters",
        '{"items":["\t\x1b[1m\n"],"x":["\t\n\x01"]}', at("\t\x1b[1m\n"),
    ),
    Answer("invalid UTF-8 in a value", b'{"items":["\xff",{"a":1}]}', at(A, start=1), ["invalid_utf8"]),
    Answer(
        "overlong UTF-8 and a surrogate",
        b'{"items":["\xc0\xaf","\xed\xa0\x80",1]}', at(1, start=2), ["invalid_utf8"] * 2,
    ),
    Answer("invalid UTF-8 in a name", b'{"\xff":[1],"items":[{"a":1}]}', at(A), ["invalid_utf8"]),
    Answer("invalid UTF-8 between", b'{"summary":"x",\xff"items":[1]}', [("/summary", "x")], ["syntax"], "invalid"),
    # Cut ends.
    Answer("cut inside a value", '{"items":[{"a":1},{"b":"zw', at(A), ["truncated"], "truncated"),
    Answer("cut inside a number", '{"items":[{"a":1},12', at(A), ["truncated"], "truncated"),
    Answer("cut inside a literal", '{"items":[{"a":1},tr', at(A), ["truncated"], "truncated"),
    Answer("cut inside an escape", '{"items":[{"a":1},"\\u00', at(A), ["truncated"], "truncated"),
    Answer("cut inside a character", b'{"items":[{"a":1},"\xe2\x82', at(A), ["truncated"], "truncated"),
    Answer("cut inside a name", '{"items":[{"a":1}],"summ', at(A), ["truncated"], "truncated"),
    Answer("cut inside a skipped part", '{"items":[{"a":1}],"meta":{"x":[', at(A), ["truncated"], "truncated"),
    Answer("cut between two values", '{"items":[{"a":1},', at(A), [], "truncated"),
    Answer("cut before the last bracket", '{"items":[{"a":1}]', at(A), [], "truncated"),
    Answer("cut after the first bracket", "{", [], [], "truncated"),
]  # fmt: skip
