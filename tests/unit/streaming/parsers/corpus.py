"""Broken answers as models write them: name, text, the items in it, the reasons of what is rejected, the end."""

from typing import NamedTuple


class Answer(NamedTuple):
    name: str
    text: str | bytes
    items: list[dict]
    rejected: list[str] = []
    kind: str = "complete"


A, B, C = {"a": 1}, {"b": "zwei – 2"}, {"c": [1, {"d": None}]}
LINES = '{"a":1}\n{"b":"zwei – 2"}\n{"c":[1,{"d":null}]}\n'
ALL = [A, B, C]

ANSWERS = [
    # As asked for, and nearly.
    Answer("as it should be", LINES, ALL),
    Answer("nothing at all", "", []),
    Answer("only blank lines", "\n \n\r\n", []),
    Answer("no last newline", LINES.rstrip("\n"), ALL),
    Answer("windows line ends", LINES.replace("\n", "\r\n"), ALL),
    Answer("blank lines between", LINES.replace("\n", "\n\n  \n"), ALL),
    Answer("a byte order mark", b"\xef\xbb\xbf" + LINES.encode(), ALL),
    Answer("blanks around each object", '  {"a":1} \n\t{"b":"zwei – 2"}\t\n', [A, B]),
    Answer("an empty object", "{}\n", [{}]),
    # Fences and prose.
    Answer("a code fence", f"```json\n{LINES}```\n", ALL),
    Answer("a fence without a language", f"```\n{LINES}```", ALL),
    Answer("a fence of four", f"````ndjson\n{LINES}````\n", ALL),
    Answer("a fence of tildes", f"~~~ json\n{LINES}~~~\n", ALL),
    Answer("a fence that is never closed", f"```json\n{LINES}", ALL),
    Answer("a fence for each object", '```json\n{"a":1}\n```\n```json\n{"b":"zwei – 2"}\n```\n', [A, B]),
    Answer("a fence on the line of the object", '```json {"a":1} ```\n', [A]),
    Answer("a string that holds a fence", '{"a":"```json\\n{}\\n```"}\n', [{"a": "```json\n{}\n```"}]),
    Answer("prose before", f"Here are the findings:\n\n{LINES}", ALL),
    Answer("prose after", f"{LINES}\nI hope that this helps!", ALL),
    Answer("prose between", '{"a":1}\nNext one:\n{"b":"zwei – 2"}\n', [A, B]),
    Answer("prose on the line of the object", 'First: {"a":1} and so on\n', [A]),
    Answer("a numbered list", '1. {"a":1}\n2. {"b":"zwei – 2"}\n', [A, B]),
    Answer("the framing of server-sent events", 'data: {"a":1}\n\ndata: [DONE]\n', [A]),
    Answer("braces in prose", f"I use {{x}} and {{…}} as placeholders.\n{LINES}", ALL),
    Answer("page marks in brackets", f"[page 3]\n{LINES}", ALL),
    Answer("a quotation mark in prose", f'The 12" pipe:\n{LINES}', ALL),
    Answer("only prose", "I am sorry, but I cannot help with that.", [], kind="invalid"),
    Answer("a lone scalar", "null\n", [], kind="invalid"),
    # Lists.
    Answer("a list over lines", '[\n  {"a":1},\n  {"b":"zwei – 2"}\n]\n', [A, B]),
    Answer("a list on one line", '[{"a":1},{"b":"zwei – 2"}]', [A, B]),
    Answer("a list with the brackets on the lines", '[{"a":1},\n{"b":"zwei – 2"}]\n', [A, B]),
    Answer("commas between the lines", '{"a":1},\n{"b":"zwei – 2"},\n', [A, B]),
    Answer("commas before the lines", '{"a":1}\n,{"b":"zwei – 2"}\n', [A, B]),
    Answer("an empty list", "[]\n", []),
    Answer("two objects on a line", '{"a":1}{"b":"zwei – 2"}\n', [A, B]),
    Answer("two objects on a line with a blank", '{"a":1} {"b":"zwei – 2"}\n', [A, B]),
    Answer("rubbish after an object", '{"a":1}#\n{"b":"zwei – 2"}\n', [A, B]),
    Answer("a bracket too many", '{"a":1}}\n{"b":"zwei – 2"}\n', [A, B]),
    # Objects over several lines.
    Answer("an object broken over lines", '{\n  "a": 1\n}\n{"b":"zwei – 2"}\n', [A, B]),
    Answer("a nested one, not indented", '{\n"c": [\n1,\n{\n"d": null\n}\n]\n}\n{"a":1}\n', [C, A]),
    Answer("broken after a colon", '{"a":\n1}\n', [A]),
    Answer("broken inside a string", '{"b":"one\ntwo"}\n{"a":1}\n', [{"b": "one\ntwo"}, A]),
    Answer("broken inside a string after a backslash", '{"b":"one\\\ntwo"}\n{"a":1}\n', [A], ["syntax"]),
    Answer("two on the line where one closes", '{"a":\n1} {"b":"zwei – 2"}\n', [A, B]),
    Answer("objects in a list, over lines", '[{\n"a":1\n},{\n"a":1\n}]', [A, A]),
    Answer("after prose", 'Here it is: {\n"a":1}\n', [A]),
    # Broken lines: they cost themselves.
    Answer("a line cut off", '{"a":1}\n{"b":"zw\n{"b":"zwei – 2"}\n', [A, B], ["syntax"]),
    Answer("a line cut off after a value", '{"x":{"y":2}\n{"a":1}\n', [A], ["syntax"]),
    Answer("a line cut off after a colon", '{"x":\n{"a":1}\n{"b":"zwei – 2"}\n', [A, B], ["syntax"]),
    Answer("a line cut off in a list", '{"x":[1,\n{"a":1}\n{"b":"zwei – 2"}\n', [A, B], ["syntax"]),
    Answer("a line cut off before a fence", '```\n{"x":1,\n```\n{"a":1}\n', [A], ["syntax"]),
    Answer("an indented line cut off", '[\n  {"x":1,\n  {"a":1}\n]\n', [A], ["syntax"]),
    Answer("two lines cut off", '{"x":"\n{"y":\n{"a":1}\n', [A], ["syntax"]),
    Answer("a trailing comma", '{"x":1,}\n{"a":1}\n', [A], ["syntax"]),
    Answer("a trailing comma over lines", '{\n"x":[\n{"y":1},\n],\n}\n{"a":1}\n', [A], ["syntax"]),
    Answer("single quotes", "{'x': 'it}s'}\n{\"a\":1}\n", [A], ["syntax"]),
    Answer("keys without quotes", '{x: 1}\n{"a":1}\n', [A], ["syntax"]),
    Answer("a comment", '{"x": 1 /* one */}\n{"a":1}\n', [A], ["syntax"]),
    Answer("python's words", '{"x": None, "y": True}\n{"a":1}\n', [A], ["syntax"]),
    Answer("a missing comma", '{"x":1 "y":2}\n{"a":1}\n', [A], ["syntax"]),
    Answer("a missing value", '{"x":}\n{"a":1}\n', [A], ["syntax"]),
    Answer("brackets that do not match", '{"x":[1}\n{"a":1}\n', [A], ["syntax"]),
    Answer("a quotation mark not escaped", '{"x":"a "b" c"}\n{"a":1}\n', [A], ["syntax"]),
    Answer("an unknown escape", '{"x":"\\q"}\n{"a":1}\n', [A], ["syntax"]),
    Answer("broken before a whole one on its line", '{"x":tru} {"a":1}\n', [A], ["syntax"]),
    Answer("only broken lines", '{"x":1,}\n', [], ["syntax"], "invalid"),
    # Values that are JSON for some and not for others.
    Answer("a key twice", '{"x":1,"x":2}\n{"a":1}\n', [A], ["duplicate_key"]),
    Answer("a key twice, once escaped", '{"x":1,"\\u0078":2}\n{"a":1}\n', [A], ["duplicate_key"]),
    Answer("a key twice, deep down", '{"x":[{"y":{"z":1,"z":1}}]}\n{"a":1}\n', [A], ["duplicate_key"]),
    Answer("keys equal once they are mended", '{"\\u0000":1,"\\ufffd":2}\n{"a":1}\n', [A], ["duplicate_key"]),
    Answer("not a number", '{"x":NaN}\n{"a":1}\n', [A], ["not_a_number"]),
    Answer("infinite numbers", '{"x":Infinity}\n{"x":-Infinity}\n{"a":1}\n', [A], ["not_a_number"] * 2),
    Answer("a float out of range", '{"x":1e400}\n{"a":1}\n', [A], ["number_out_of_range"]),
    Answer("an integer out of range", '{"x":9223372036854775808}\n{"a":1}\n', [A], ["number_out_of_range"]),
    Answer(
        "the largest integers",
        '{"x":[9223372036854775807,-9223372036854775808]}',
        [{"x": [2**63 - 1, -(2**63)]}],
    ),
    Answer("a very long number", f'{{"x":{"1" * 5000}}}\n{{"a":1}}\n', [A], ["number_too_long"]),
    Answer("a very long exponent", '{"x":1e999999999}\n{"a":1}\n', [A], ["number_out_of_range"]),
    # Characters.
    Answer("an escaped NUL", '{"x\\u0000":"\\u0000y"}\n', [{"x�": "�y"}]),
    Answer("a plain NUL", b'{"x\0":"\0y"}\n', [{"x�": "�y"}]),
    Answer("a lone first half", '{"x":"\\ud83d!"}\n', [{"x": "�!"}]),
    Answer("a lone second half", '{"x":"\\ude00"}\n', [{"x": "�"}]),
    Answer("the halves in the wrong order", '{"x":"\\ude00\\ud83d"}\n', [{"x": "��"}]),
    Answer("a whole pair", '{"x":"\\ud83d\\ude00"}\n', [{"x": "😀"}]),
    Answer("an escaped backslash before a u", '{"x":"\\\\u0000"}\n', [{"x": "\\u0000"}]),
    Answer("tabs and control characters", '{"x":"\t\x1b[1m"}\n', [{"x": "\t\x1b[1m"}]),
    Answer("odd line separators", '{"x":"\u2028\u2029\x85"}\n', [{"x": "\u2028\u2029\x85"}]),
    Answer("invalid UTF-8", b'{"x":"\xff"}\n{"a":1}\n', [A], ["invalid_utf8"]),
    Answer("overlong UTF-8", b'{"x":"\xc0\xaf"}\n{"a":1}\n', [A], ["invalid_utf8"]),
    Answer("a surrogate in UTF-8", b'{"x":"\xed\xa0\x80"}\n{"a":1}\n', [A], ["invalid_utf8"]),
    Answer("invalid UTF-8 in prose", b'caf\xe9\n{"a":1}\n', [A], ["invalid_utf8"]),
    Answer("invalid UTF-8 in an object over lines", b'{"x":\n"\xff"}\n{"a":1}\n', [A], ["invalid_utf8"]),
    # Cut ends.
    Answer("cut inside a string", '{"a":1}\n{"b":"zw', [A], ["truncated"], "truncated"),
    Answer("cut inside a number", '{"a":1}\n{"b":12', [A], ["truncated"], "truncated"),
    Answer("cut inside a literal", '{"a":1}\n{"b":tr', [A], ["truncated"], "truncated"),
    Answer("cut inside an escape", '{"a":1}\n{"b":"\\u00', [A], ["truncated"], "truncated"),
    Answer("cut inside a character", b'{"a":1}\n{"b":"\xe2\x82', [A], ["truncated"], "truncated"),
    Answer("cut inside an object over lines", '{"a":1}\n{\n"b":1,\n', [A], ["truncated"], "truncated"),
    Answer("cut before the last bracket", '{"c":[1,{"d":null}]', [], ["truncated"], "truncated"),
    Answer("cut inside a list of lines", '[\n{"a":1},\n{"b":', [A], ["truncated"], "truncated"),
]
