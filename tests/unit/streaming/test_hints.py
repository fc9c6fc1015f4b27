from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.hints import (
    EventsHint,
    FramesHint,
    LiveFrame,
    LogEvent,
    events_message,
    frames_message,
    group_of,
    parse_hint,
)

RUN = UUID("0198c2f0-0000-7000-8000-000000000001")
EVENTS = [LogEvent(4, "public", '{"text":"ü"}'.encode()), LogEvent(5, "operator", b"{}")]


def test_a_hint_survives_the_layer():
    message = events_message(RUN, 2, EVENTS, max_bytes=100)

    assert (message["first"], message["last"], message["head"]) == (4, 5, 5)
    assert parse_hint(message) == EventsHint(run=RUN, epoch=2, last=5, events=tuple(EVENTS))


def test_a_large_batch_becomes_a_bare_hint():
    message = events_message(RUN, 1, EVENTS, max_bytes=14)

    assert parse_hint(message) == EventsHint(run=RUN, epoch=1, last=5)


def test_of_frames_the_newest_that_fit_are_told():
    frames = [LiveFrame("public", b"%d" % number) for number in range(5)]

    message = frames_message(RUN, frames, max_bytes=2)

    assert message is not None
    assert parse_hint(message) == FramesHint(run=RUN, frames=tuple(frames[3:]))
    assert frames_message(RUN, frames, max_bytes=0) is None


def test_the_name_of_a_group_is_one_that_layers_take():
    name = group_of(RUN)

    assert len(name) < 100
    assert all(character.isascii() and (character.isalnum() or character in "-.") for character in name)


values = (
    st.none() | st.integers() | st.text() | st.just(str(RUN)) | st.lists(st.lists(st.integers() | st.text()))
)
names = st.sampled_from(["type", "run", "epoch", "last", "head", "events", "frames"])


@given(st.dictionaries(names, values | st.sampled_from(["run.events", "run.frames"])))
def test_no_message_does_worse_than_not_being_a_hint(message):
    try:
        parse_hint(message)
    except ValueError:
        return
    assert message["type"] in ("run.events", "run.frames")


def test_what_is_no_hint_is_refused():
    with pytest.raises(ValueError, match="not a hint"):
        parse_hint({"type": "run.news", "run": str(RUN)})
