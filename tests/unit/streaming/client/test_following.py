"""Each event once and in order, wherever the line is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.client import LogIncomplete, LogReset, Refused, TimedOut
from streaming.client.effects import Request
from streaming.client.errors import Cut
from tests.unit.streaming.client.stage import END, LOG, Reply, Stage, lines, problem, stream

WHOLE = lines(*LOG, END)


def rest(request: Request) -> bytes:
    """What a server sends after the request's cursor."""
    after = int(str(request.query["after"]))
    return lines(*[event for event in LOG if event["seq"] > after], END)


def follow(stage: Stage, after: int | str = 0, timeout_seconds: float | None = None, on_cut=None):
    return stage.conversation.follow("r1", after=after, timeout_seconds=timeout_seconds, on_cut=on_cut)


def test_a_stream_that_is_cut_at_any_byte_is_taken_up_after_the_last_whole_line() -> None:
    for at in range(len(WHOLE)):
        replies = iter([WHOLE[:at]])
        stage = Stage(lambda request, replies=replies: stream(next(replies, None) or rest(request)))

        assert stage.perform(follow(stage)) == [*LOG, END]
        assert stage.cursors == (["0"] if at == 0 else ["0", str(min(WHOLE[:at].count(b"\n"), 6))])


@given(st.data())
def test_whatever_is_cut_doubled_and_refused_the_follower_has_the_log_once_and_in_order(data) -> None:
    def serve(request: Request) -> Reply:
        if len(stage.asked) > 40:
            return stream(rest(request))
        kind = data.draw(st.sampled_from(["cut", "break", "refuse", "double", "away"]))
        whole = rest(request)
        if kind == "away":
            return Cut("no answer")
        if kind == "refuse":
            return problem(data.draw(st.sampled_from([429, 500, 502, 503])), "overloaded")
        if kind == "double":
            whole = lines(*LOG[: data.draw(st.integers(0, 6))]) + whole
        ends = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=1, max_size=4)))
        pieces = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        pieces = [piece for piece in pieces if piece]  # no bytes would mean the end
        return stream(*pieces, *([Cut("broken")] if kind == "break" else []))

    stage = Stage(serve)

    assert [line for line in stage.perform(follow(stage)) if "seq" in line] == LOG


def test_what_the_connection_says_of_itself_is_kept_back_and_frames_are_passed_on() -> None:
    frame = {"type": "step.progress", "data": {"done": 1, "total": 2}}
    said = lines({"type": "hb", "head": 0, "epoch": 1}, frame, *LOG, END)
    stage = Stage(lambda request: stream(said))

    assert stage.perform(follow(stage)) == [frame, *LOG, END]


def test_in_a_restored_log_the_cursor_names_its_epoch() -> None:
    epoch = 1_763_800_000
    replies = [
        stream(lines({"type": "hello", "epoch": epoch}, *LOG[:3])),
        stream(lines({"type": "hello", "epoch": epoch}, *LOG[3:], END)),
    ]
    stage = Stage(lambda request: replies.pop(0))

    assert stage.perform(follow(stage)) == [*LOG, END]
    assert stage.cursors == ["0", f"{epoch}.3"]


def test_who_followed_from_the_start_is_told_of_a_reset_and_the_log_begins_again() -> None:
    reset = {"type": "reset", "epoch": 7, "head": 6}
    replies = [stream(lines(*LOG[:3], reset)), stream(lines({"type": "hello", "epoch": 7}, *LOG, END))]
    stage = Stage(lambda request: replies.pop(0))

    assert stage.perform(follow(stage)) == [*LOG[:3], reset, *LOG, END]
    assert stage.cursors == ["0", "7.0"]


def test_a_caller_with_a_cursor_of_its_own_is_sent_to_the_snapshot() -> None:
    stage = Stage(lambda request: stream(lines({"type": "reset", "epoch": 7, "head": 6})))
    with pytest.raises(LogReset, match="read the snapshot"):
        stage.perform(follow(stage, after=3))


def test_a_log_without_its_beginning_is_not_taken_for_the_whole() -> None:
    stage = Stage(lambda request: stream(lines({"type": "reset", "epoch": 1, "head": 6})))
    with pytest.raises(LogIncomplete, match="first events of the run are no longer kept"):
        stage.perform(follow(stage))


def test_waits_grow_to_the_cap_and_begin_anew_after_a_stream_that_was_healthy() -> None:
    def serve(request: Request) -> Reply:
        if len(stage.asked) == 6:
            stage.now += 10  # it lived, and then broke
        return stream(WHOLE) if len(stage.asked) == 8 else Cut("no answer")

    stage = Stage(serve, base=1, cap=8)
    stage.perform(follow(stage))

    assert stage.waits == [0.5, 1, 2, 4, 4, 0.5, 1]


def test_the_servers_wish_is_obeyed_and_spread() -> None:
    replies = [
        problem(503, "overloaded", {"retry-after": "5"}),
        stream(lines({"type": "bye", "retry_ms": 2_000})),
        stream(WHOLE),
    ]
    cuts: list[str] = []
    stage = Stage(lambda request: replies.pop(0))
    stage.perform(follow(stage, on_cut=cuts.append))

    assert stage.waits == [7.5, 3]
    assert len(cuts) == 1, "a stream that says good-bye is not cut"
    assert "overloaded it is" in cuts[0]


def test_a_run_that_does_not_end_in_time_is_given_up_also_while_heartbeats_come() -> None:
    def serve(request: Request) -> Reply:
        stage.now += 6
        return stream(lines({"type": "hb", "head": 0, "epoch": 1}))

    stage = Stage(serve)
    with pytest.raises(TimedOut, match="did not end within 10 s"):
        stage.perform(follow(stage, timeout_seconds=10))


@pytest.mark.parametrize(
    "reply",
    [
        problem(404, "not-found"),
        stream(lines({"type": "error", "problem": {"status": 404, "code": "not-found", "detail": "x"}})),
    ],
)
def test_a_refusal_ends_the_following(reply: Reply) -> None:
    stage = Stage(lambda request: reply)
    with pytest.raises(Refused) as caught:
        stage.perform(follow(stage))
    assert (caught.value.status, caught.value.code) == (404, "not-found")


def test_a_page_of_a_proxy_among_the_lines_is_a_cut() -> None:
    replies = [stream(lines(*LOG[:2]) + b"<html>\nBad gateway\n"), stream(lines(*LOG[2:], END))]
    stage = Stage(lambda request: replies.pop(0))

    assert stage.perform(follow(stage)) == [*LOG, END]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.-2", "0.5", ""])
def test_what_is_no_cursor_is_said_at_once(cursor: str) -> None:
    stage = Stage(lambda request: stream(WHOLE))
    with pytest.raises(ValueError, match=r"."):
        stage.perform(follow(stage, after=cursor))
