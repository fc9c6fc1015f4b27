"""One event, three framings: its envelope's bytes are the same in all of them."""

import json
from uuid import UUID

from outbox import wire
from streaming.gateway import ndjson, sse
from streaming.gateway.followed import Bye, CaughtUp, Denied, End, Event, Frame, Gap, Head, Opened, Reset
from streaming.gateway.websocket import frame_of

RUN = UUID("0198c2f0-0000-7000-8000-000000000001")
BODY = wire.encode({"v": 1, "seq": 418, "type": "message", "data": {"text": "Zeile\nzwei \u2028 ü"}})
OPENED = Opened(RUN, 417, 420, 1, True)


def test_the_bytes_of_an_event_are_the_same_on_every_transport():
    event = Event(418, BODY)

    assert sse.block(event, epoch=1) == b"id: 418\ndata: " + BODY + b"\n\n"
    assert ndjson.line(event) == BODY + b"\n"
    assert frame_of(event, run=RUN).encode() == b'{"type":"event","event":' + BODY + b"}"


def test_a_restored_log_has_its_epoch_in_the_id():
    assert sse.block(Event(418, BODY), epoch=2).startswith(b"id: 2.418\n")


def test_an_ephemeral_event_moves_no_cursor():
    assert sse.block(Frame(BODY), epoch=1) == b"data: " + BODY + b"\n\n"


def test_a_stream_begins_with_its_pause_for_reconnects_and_a_hello():
    first, name, data = sse.block(OPENED, epoch=1).decode().split("\n")[:3]

    assert (first, name) == ("retry: 2000", "event: control")
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "hello",
        "run": str(RUN),
        "from": 417,
        "head": 420,
        "epoch": 1,
        "full": True,
        "hb_ms": 15_000,
    }


def test_control_frames_say_the_same_on_every_transport():
    expected = {
        CaughtUp(4): {"type": "caught_up", "seq": 4},
        Head(4, 1): {"type": "hb", "head": 4, "epoch": 1},
        Gap(4, 9): {"type": "gap", "after": 4, "before": 9},
        End(4, "failed"): {"type": "end", "last_seq": 4, "state": "failed"},
        Reset(4, 2, "/r"): {"type": "reset", "head": 4, "epoch": 2, "snapshot": "/r"},
    }
    for item, body in expected.items():
        name, data = sse.block(item, epoch=1).decode().rstrip("\n").split("\n")
        assert (name, json.loads(data.removeprefix("data: "))) == ("event: control", body)
        assert json.loads(frame_of(item, run=RUN)) == {**body, "run": str(RUN)}
        if not isinstance(item, CaughtUp):
            assert json.loads(ndjson.line(item)) == body


def test_a_good_bye_tells_a_browser_too_when_to_come_back():
    assert sse.block(Bye(1_234), epoch=1).startswith(b"retry: 1234\nevent: control\n")


def test_lost_rights_look_like_a_run_that_never_was():
    problem = json.loads(ndjson.line(Denied()))["problem"]

    assert (problem["status"], problem["code"]) == (404, "not-found")
