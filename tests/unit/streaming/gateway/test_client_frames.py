import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.gateway.client_frames import BadFrame, Ping, Subscribe, Unsubscribe, parse_frame

RUN = UUID("0198c2f0-0000-7000-8000-000000000001")


def parse(body: object) -> object:
    return parse_frame(json.dumps(body), max_bytes=4_096)


def test_the_three_things_a_client_may_say():
    assert parse({"type": "subscribe", "run": str(RUN), "after": 418}) == Subscribe(RUN, "418")
    assert parse({"type": "subscribe", "run": str(RUN), "after": "2.418"}) == Subscribe(RUN, "2.418")
    assert parse({"type": "subscribe", "run": str(RUN)}) == Subscribe(RUN, "0")
    assert parse({"type": "unsubscribe", "run": str(RUN)}) == Unsubscribe(RUN)
    assert parse({"type": "ping", "and": "a field of the future"}) == Ping()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "one JSON object"),
        ({}, "type is"),
        ({"type": "cancel", "run": str(RUN)}, "type is"),
        ({"type": "subscribe"}, "run is the id"),
        ({"type": "subscribe", "run": 7}, "run is the id"),
        ({"type": "subscribe", "run": "nobody"}, "run is the id"),
        ({"type": "subscribe", "run": str(RUN), "after": True}, "after is a cursor"),
        ({"type": "subscribe", "run": str(RUN), "after": [1]}, "after is a cursor"),
        ({"type": "ping", "pad": "x" * 5_000}, "at most 4096 bytes"),
    ],
)
def test_what_cannot_be_understood_is_said_so(body, sentence):
    with pytest.raises(BadFrame, match=sentence):
        parse(body)


@given(
    st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps)
)
def test_no_text_does_worse_than_a_bad_frame(text):
    with pytest.raises(BadFrame):
        parse_frame(text, max_bytes=4_096)
