"""Bodies that the endpoints which write do not take: by the name of the endpoint, by what is wrong."""

from collections.abc import Iterator

HUGE = "1" + "0" * 30
HALF = "\\ud800"  # as JSON writes half of a surrogate pair


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


# What no writing endpoint takes, whatever it is for.
NO_BODY_FITS = {
    "not JSON": b"{",
    "not UTF-8": b'{"reason": "\xff\xfe"}',
    "a bare NUL": b"\x00",
    "no number of JSON": b'{"reason": NaN}',
    "a number too long to be read": b'{"reason": 1' + b"0" * 5_000 + b"}",
    "a list": b"[]",
    "a text": b'"cancel"',
    "a number": HUGE.encode(),
    "lists in lists": nested(100_000).encode(),
    "lists in lists without an end": b"[" * 100_000,
    "objects in objects": b'{"reason": ' * 100_000 + b"1" + b"}" * 100_000,
    "more than a body may be": b'{"reason": "%s"}' % (b"x" * 3_000_000),
}
# What those do not take that know their fields.
NO_FIELD_FITS = {
    "an unknown field": '{"colour": "red"}',
    "an unknown field, of half a pair": f'{{"{HALF}": 1}}',
    "an unknown field, with a NUL": '{"a\\u0000b": 1}',
    "a long unknown field": f'{{"{"x" * 100_000}": 1}}',
    "a reason of another type": '{"reason": {"a": []}}',
    "a reason that is a huge number": f'{{"reason": {HUGE}}}',
    "a reason with lists in lists": f'{{"reason": {nested(300)}}}',
    "a long reason": f'{{"reason": "{"x" * 1_000_000}"}}',
}
ORDER = '"workflow": "test-ordering", "input": {}'
# What one of them does not take.
OWN = {
    "runs": {
        "nothing": "",
        "an object without a field": "{}",
        "an input with a huge number": f'{{"workflow": "test-ordering", "input": {{"undo_fails": {HUGE}}}}}',
        "an input with an infinity": '{"workflow": "test-ordering", "input": {"undo_fails": 1e999}}',
        "an input of another type": '{"workflow": "test-ordering", "input": [1]}',
        "an input with lists in lists": f'{{"workflow": "test-ordering", "input": {{"name": {nested(300)}}}}}',
        "a missing input": '{"workflow": "test-ordering"}',
        "a workflow of half a pair": f'{{"workflow": "{HALF}", "input": {{}}}}',
        "a workflow with a NUL": '{"workflow": "a\\u0000b", "input": {}}',
        "a long workflow": f'{{"workflow": "{"x" * 100_000}", "input": {{}}}}',
        "a huge version": f'{{{ORDER}, "version": {HUGE}}}',
        "a unique key of half a pair": f'{{{ORDER}, "unique_key": "{HALF}"}}',
        "a unique key with a NUL": f'{{{ORDER}, "unique_key": "a\\u0000b"}}',
        "a long unique key": f'{{{ORDER}, "unique_key": "{"x" * 100_000}"}}',
        "a long title": f'{{{ORDER}, "title": "{"x" * 100_000}"}}',
        "labels of numbers": f'{{{ORDER}, "labels": {{"a": {HUGE}}}}}',
        "a beginning at the end of time": f'{{{ORDER}, "not_before": "9999-12-31T23:59:59Z"}}',
        "a beginning beyond the end of time": f'{{{ORDER}, "not_before": "9999-12-31T23:59:59-14:00"}}',
        "a beginning in a huge number": f'{{{ORDER}, "not_before": {HUGE}}}',
        "a beginning in nested lists": f'{{{ORDER}, "not_before": {nested(300)}}}',
    },
    "run-cancel": {"another compensate": '{"compensate": 1}'},
    "run-retry": {
        "a step with a NUL": '{"from_step": "a\\u0000b"}',
        "a step of half a pair": f'{{"from_step": "{HALF}"}}',
        "a long step": f'{{"from_step": "{"x" * 100_000}"}}',
        "a step in a huge number": f'{{"from_step": {HUGE}}}',
    },
    "run-rerun": {
        "a step with a NUL": '{"from_step": "a\\u0000b"}',
        "a step of half a pair": f'{{"from_step": "{HALF}"}}',
        "an input with a huge number": f'{{"input": {{"undo_fails": {HUGE}}}}}',
        "an input with lists in lists": f'{{"input": {{"name": {nested(300)}}}}}',
    },
    "run-compensate": {},
    "step-skip": {
        "nothing": "",
        "a huge output": f'{{"output": {HUGE}, "reason": "x"}}',
        "an infinite output": '{"output": 1e999, "reason": "x"}',
        "an output with lists in lists": f'{{"output": {nested(300)}, "reason": "x"}}',
    },
    "run-signal": {
        "nothing": "",
        "a huge number": f'{{"approved": {HUGE}}}',
        "a comment in a huge number": f'{{"approved": true, "comment": {HUGE}}}',
        "a comment with lists in lists": f'{{"approved": true, "comment": {nested(300)}}}',
    },
    "run": {},
}


def bodies(name: str) -> Iterator[tuple[str, bytes]]:
    yield from NO_BODY_FITS.items()
    known = {} if name == "run-signal" else NO_FIELD_FITS
    for what, body in {**known, **OWN[name]}.items():
        yield what, body.encode()
