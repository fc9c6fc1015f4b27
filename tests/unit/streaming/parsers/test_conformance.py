"""RFC 8259, case by case: what is taken, what is refused and why, and what the RFC leaves to us.

Each text is read as a member of a line and as an item of a document. `taken` with the value that Python's `json`
reads; a reason: refused with it; a pair: ours to say, with what we say.
"""

import json

import pytest

from streaming.parsers import Parsed
from tests.unit.streaming.parsers.runs import documents, parse_everyhow

TAKEN, SYNTAX = "taken", "syntax"

CASES: list[tuple[str, str | bytes, object]] = [
    # 3: values
    ("the three words", "[true,false,null]", TAKEN),
    ("a word in capitals", "[True]", SYNTAX),
    ("half a word", "[tru]", SYNTAX),
    ("two words run together", "[nullnull]", SYNTAX),
    ("a word of no language", "[undefined]", SYNTAX),
    # 2: structure and blanks
    ("the four blanks anywhere", "\n[\t1\r, 2 ]", TAKEN),
    ("a form feed", "[1,\x0c2]", SYNTAX),
    ("a vertical tab", "[1,\x0b2]", SYNTAX),
    ("a no-break space", "[1,\xa02]", SYNTAX),
    ("a byte order mark within", "[1,\ufeff2]", SYNTAX),
    ("a comment", "[1/**/]", SYNTAX),
    ("a comment to the end of the line", "[1 // one\n]", SYNTAX),
    # 4: objects
    ("an empty object", "{}", TAKEN),
    ("an empty name", '{"":0}', TAKEN),
    ("a long name", '{"' + "x" * 1000 + '":0}', TAKEN),
    ("a name without quotes", "{a:0}", SYNTAX),
    ("a name that is a number", "{1:0}", SYNTAX),
    ("a name in single quotes", "{'a':0}", SYNTAX),
    ("no colon", '{"a" 0}', SYNTAX),
    ("two colons", '{"a"::0}', SYNTAX),
    ("an equals sign", '{"a"=0}', SYNTAX),
    ("no value", '{"a":}', SYNTAX),
    ("no name", "{:0}", SYNTAX),
    ("a comma before the end", '{"a":0,}', SYNTAX),
    ("a comma at the start", '{,"a":0}', SYNTAX),
    ("two commas", '{"a":0,,"b":1}', SYNTAX),
    ("no comma", '{"a":0 "b":1}', SYNTAX),
    ("a list in braces", '{"a","b"}', SYNTAX),
    # 5: lists
    ("an empty list", "[]", TAKEN),
    ("lists in lists", "[[],[[]]]", TAKEN),
    ("a comma before the end of a list", "[1,]", SYNTAX),
    ("a comma at the start of a list", "[,1]", SYNTAX),
    ("only a comma", "[,]", SYNTAX),
    ("two commas in a list", "[1,,2]", SYNTAX),
    ("no comma in a list", "[1 2]", SYNTAX),
    ("a colon in a list", '["a":1]', SYNTAX),
    ("an object closed as a list", '[{"a":1]]', SYNTAX),
    # 6: numbers
    ("nought", "[0]", TAKEN),
    ("a negative number", "[-12]", TAKEN),
    ("a fraction", "[-0.125]", TAKEN),
    ("exponents", "[1e2,1E+2,1e-2,0e0,1.5E3]", TAKEN),
    ("a leading nought", "[01]", SYNTAX),
    ("a negative leading nought", "[-01]", SYNTAX),
    ("a plus sign", "[+1]", SYNTAX),
    ("only a minus sign", "[-]", SYNTAX),
    ("no digit before the point", "[.5]", SYNTAX),
    ("no digit after the point", "[1.]", SYNTAX),
    ("no digit after the point, with exponent", "[1.e2]", SYNTAX),
    ("no digit in the exponent", "[1e]", SYNTAX),
    ("only a sign in the exponent", "[1e+]", SYNTAX),
    ("two points", "[1.2.3]", SYNTAX),
    ("hexadecimal", "[0x1F]", SYNTAX),
    ("underscores", "[1_000]", SYNTAX),
    ("a thin space", "[1\u2009000]", SYNTAX),
    ("digits of another script", "[\u0661]", SYNTAX),
    ("a minus sign of typography", "[\u22121]", SYNTAX),
    ("not a number", "[NaN]", "not_a_number"),
    ("infinity", "[Infinity,-Infinity]", "not_a_number"),
    ("negative nought, whole", "[-0]", ("ours", [0])),
    ("negative nought, float", "[-0.0]", ("ours", [-0.0])),
    ("the largest of 64 bits", "[9223372036854775807,-9223372036854775808]", TAKEN),
    ("one more", "[9223372036854775808]", ("ours", "number_out_of_range")),
    ("one less", "[-9223372036854775809]", ("ours", "number_out_of_range")),
    ("beyond 53 bits and exact", "[9007199254740993]", ("ours", [9007199254740993])),
    ("the largest float", "[1.7976931348623157e308]", TAKEN),
    ("a float beyond", "[1e309]", ("ours", "number_out_of_range")),
    ("a float too small to tell from nought", "[1e-400]", ("ours", [0.0])),
    ("more digits than a float keeps", "[0.1000000000000000055511151231257827]", ("ours", [0.1])),
    ("64 characters", "[0." + "1" * 62 + "]", TAKEN),
    ("65 characters", "[0." + "1" * 63 + "]", ("ours", "number_too_long")),
    # 7: strings
    ("all escapes", r'["\"\\\/\b\f\n\r\t\u00e4\uD83D\uDE00"]', TAKEN),
    ("letters as they are", '["ä€😀"]', TAKEN),
    ("delete, and line separators", '["\x7f\u2028\u2029\x85"]', TAKEN),
    ("an escape of no letter", r'["\q"]', SYNTAX),
    ("an escape as in Python", r'["\x41"]', SYNTAX),
    ("an escaped single quote", r'["\'"]', SYNTAX),
    ("too few digits", r'["\u12"]', SYNTAX),
    ("no hexadecimal digits", r'["\u12G4"]', SYNTAX),
    ("an escape in capitals", r'["\U0041"]', SYNTAX),
    ("single quotes", "['a']", SYNTAX),
    ("typographic quotes", "[“a”]", SYNTAX),
    ("a quotation mark within", '["a"b"c"]', SYNTAX),
    ("a tab as it is", '["\t"]', ("ours", ["\t"])),
    ("a line break as it is", '["a\nb"]', ("ours", ["a\nb"])),
    ("control characters as they are", '["\x01\x1b\x1f"]', ("ours", ["\x01\x1b\x1f"])),
    ("a NUL as it is", '["\0"]', ("ours", ["\ufffd"])),
    ("an escaped NUL", r'["\u0000"]', ("ours", ["\ufffd"])),
    ("a first half alone", r'["\ud83d"]', ("ours", ["\ufffd"])),
    ("a second half alone", r'["\ude00x"]', ("ours", ["\ufffdx"])),
    ("halves in the wrong order", r'["\ude00\ud83d"]', ("ours", ["\ufffd\ufffd"])),
    ("a half and an ordinary escape", r'["\ud83d\u0041"]', ("ours", ["\ufffdA"])),
    ("no character at all", r'["\uffff\ufffe"]', ("ours", ["\uffff\ufffe"])),
    # 8: encoding, and names that are equal
    ("a byte of no character", b'["\xff"]', "invalid_utf8"),
    ("half a character", b'["\xc3"]', "invalid_utf8"),
    ("overlong", b'["\xc0\xaf"]', "invalid_utf8"),
    ("a surrogate as bytes", b'["\xed\xa0\x80"]', "invalid_utf8"),
    ("beyond Unicode", b'["\xf4\x90\x80\x80"]', "invalid_utf8"),
    ("Latin-1", b'["\xe4"]', "invalid_utf8"),
    ("a name twice", '{"a":1,"a":1}', ("ours", "duplicate_key")),
    ("a name twice, once escaped", r'{"a":1,"\u0061":2}', ("ours", "duplicate_key")),
    ("a name twice, far down", '[{"x":{"a":1,"b":2,"a":3}}]', ("ours", "duplicate_key")),
    ("names that differ in composition", '{"\u00e4":1,"a\u0308":2}', TAKEN),
    # 9: limits
    ("64 levels with what is around", "[" * 61 + "]" * 61, TAKEN),
    ("more levels", "[" * 80 + "]" * 80, ("ours", "too_deep")),
    ("a string of 256 kB", '["' + "x" * 262_144 + '"]', TAKEN),
    ("a longer one", '["' + "x" * 262_145 + '"]', ("ours", "string_too_long")),
]  # fmt: skip


def wrapped(before: str, text: str | bytes, after: str) -> bytes:
    return before.encode() + (text.encode() if isinstance(text, str) else text) + after.encode()


@pytest.mark.parametrize(("name", "text", "verdict"), CASES, ids=[name for name, *_ in CASES])
@pytest.mark.parametrize("form", ["line", "document"])
def test_each_case_has_its_verdict(name, text, verdict, form):
    if form == "line":
        results, _ = parse_everyhow(wrapped('{"v":', text, "}\n"))
    else:
        results, _ = parse_everyhow(wrapped('{"items":[', text, "]}"), make=documents("items.item"))

    if isinstance(verdict, tuple):
        verdict = verdict[1]
    if isinstance(verdict, str) and verdict != TAKEN:
        assert {str(result.reason) for result in results if not isinstance(result, Parsed)} == {verdict}
        assert not any(isinstance(result, Parsed) for result in results)
        return
    expected = json.loads(text) if verdict == TAKEN else verdict
    (parsed,) = results
    assert repr(parsed.value["v"] if form == "line" else parsed.value) == repr(expected)


@pytest.mark.parametrize("text", ["1", '"x"', "true", "null", "-0.5", ""])
def test_a_text_that_is_one_scalar_holds_nothing_for_us(text):
    for make in (documents("items.item"), documents("")):
        results, end = parse_everyhow(text, make=make)
        assert (results, end.kind) == ([], "invalid" if text else "complete")
