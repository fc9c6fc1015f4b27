from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import wire

ENTRY = SimpleNamespace(
    id=UUID("0198c2a0-0000-7000-8000-000000000001"),
    stream_id=UUID("0198c2a0-0000-7000-8000-000000000002"),
    seq=418,
    type="item.committed",
    headers={"step": "write", "attempt": 2},
    payload={"index": 6, "value": {"b": 1, "a": "ü"}},
    created_at=datetime(2026, 11, 22, 9, 31, 4, 512345, tzinfo=UTC),
)


def test_an_envelope_carries_seq_step_attempt_and_time_in_milliseconds():
    assert wire.envelope(ENTRY) == {
        "v": 1,
        "seq": 418,
        "id": "0198c2a0-0000-7000-8000-000000000001",
        "type": "item.committed",
        "run": "0198c2a0-0000-7000-8000-000000000002",
        "step": "write",
        "attempt": 2,
        "time": "2026-11-22T09:31:04.512Z",
        "data": {"index": 6, "value": {"b": 1, "a": "ü"}},
    }


def test_the_bytes_of_an_event_do_not_depend_on_the_order_of_its_keys():
    assert wire.encode({"b": 1, "a": {"d": 2, "c": "ü"}}) == '{"a":{"c":"ü","d":2},"b":1}'.encode()


def test_an_encoded_event_is_one_line_whatever_text_it_carries():
    assert b"\n" not in wire.encode({"text": "one\r\ntwo\u2028three"})


def test_a_time_of_another_zone_is_told_in_utc():
    berlin = timezone(timedelta(hours=1))
    assert wire.timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=berlin)) == "2026-01-02T02:04:05.000Z"


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive"):
        wire.timestamp(datetime(2026, 1, 1))


def test_an_ephemeral_frame_has_nothing_that_could_move_a_cursor():
    frame = wire.frame(uuid4(), "step.progress", {"done": 1}, headers={"step": "write"}, now=ENTRY.created_at)
    assert "seq" not in frame
    assert "id" not in frame


def test_keys_of_a_shard_share_a_hash_tag_so_that_a_script_may_touch_them_together():
    names = [wire.run_stream(3, ENTRY.id, 1), wire.firehose(3), wire.frames(3)]
    assert all("{3}" in name for name in names)
    assert len(set(names)) == 3


@given(st.uuids())
def test_a_stream_always_has_the_same_shard(key):
    assert wire.shard_of(key) == wire.shard_of(UUID(str(key)))
    assert 0 <= wire.shard_of(key) < wire.SHARD_COUNT


def test_shards_never_change_between_releases():
    assert wire.shard_of(ENTRY.id) == 2
    assert wire.shard_of(ENTRY.stream_id) == 5


NUMBERS = st.integers(0, 10**18 - 1)
EPOCHS = st.integers(1, 10**18 - 1)  # seconds of a clock, usually
CURSORS = st.builds(wire.Cursor, epoch=EPOCHS, seq=NUMBERS)


@given(CURSORS)
def test_a_cursor_survives_the_wire(cursor):
    assert wire.parse_cursor(wire.format_cursor(cursor.seq, epoch=cursor.epoch)) == cursor


@given(CURSORS)
def test_a_cursor_has_one_spelling_on_the_wire(cursor):
    text = wire.format_cursor(cursor.seq, epoch=cursor.epoch)
    read = wire.parse_cursor(f" {text} ")

    assert wire.format_cursor(read.seq, epoch=read.epoch) == text
    assert (cursor.epoch == 1) == text.isdigit()


@given(st.lists(CURSORS, min_size=1))
def test_of_several_cursors_the_newest_epoch_wins_and_then_the_larger_number(cursors):
    ahead = max(cursors)

    assert ahead.epoch == max(cursor.epoch for cursor in cursors)
    assert ahead.seq == max(cursor.seq for cursor in cursors if cursor.epoch == ahead.epoch)


def test_a_bare_cursor_is_of_the_first_epoch():
    assert wire.parse_cursor("418") == wire.parse_cursor("1.418") == wire.Cursor(epoch=1, seq=418)


@pytest.mark.parametrize("text", ["", "-1", "x", "1.2.3", "1.", ".1", "0.7", "٣", "9" * 30, "1e5", "1 .2"])
def test_what_is_no_cursor_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="a cursor is"):
        wire.parse_cursor(text)
