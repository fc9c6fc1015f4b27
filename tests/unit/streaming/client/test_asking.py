"""Start and result: what is repeated, what is not, and what comes of it."""

import pytest

from streaming.client import Refused, RunEnded, TimedOut, Unreachable
from streaming.client.effects import Request
from streaming.client.errors import Cut
from streaming.client.performing import emitting
from tests.unit.streaming.client.stage import END, LOG, Reply, Stage, answer, lines, problem, stream

BODY = {"workflow": "printing", "input": {"book": "Moby-Dick"}}


def snapshot(state: str, **fields: object) -> dict[str, object]:
    ended = state in {"completed", "failed"}
    return {
        "id": "r1",
        "state": state,
        "state_info": "",
        "is_terminal": ended,
        "epoch": 1,
        "seq": 2,
        **fields,
    }


def test_every_try_of_a_start_carries_the_same_key() -> None:
    replies = [
        Cut("reset by peer"),
        problem(502, ""),
        problem(409, "idempotency-key-in-progress", {"retry-after": "1"}),
        answer(snapshot("pending"), status=202),
    ]
    stage = Stage(lambda request: replies.pop(0))

    (run,) = stage.perform(emitting(stage.conversation.start(BODY, idempotency_key=None)))

    assert run["id"] == "r1"
    keys = {request.headers["Idempotency-Key"] for request in stage.asked}
    assert len(stage.asked) == 4
    assert len(keys) == 1
    assert all(request.json == BODY for request in stage.asked)


def test_two_starts_have_two_keys_and_a_callers_key_is_taken() -> None:
    stage = Stage(lambda request: answer(snapshot("pending"), status=202))
    for key in (None, None, "mine"):
        stage.perform(stage.conversation.start(BODY, idempotency_key=key))

    one, other, mine = [request.headers["Idempotency-Key"] for request in stage.asked]
    assert one != other
    assert mine == "mine"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "validation-error"), (401, "not-authenticated"), (409, "unique-key-conflict")],
)
def test_a_refusal_is_not_repeated_and_is_told_in_the_words_of_the_server(status: int, code: str) -> None:
    stage = Stage(lambda request: problem(status, code, existing_run="r0"))
    with pytest.raises(Refused, match=f"answered {status}: {code} it is") as caught:
        stage.perform(stage.conversation.start(BODY, idempotency_key=None))
    assert caught.value.problem["existing_run"] == "r0"
    assert len(stage.asked) == 1


def test_a_server_that_stays_away_is_given_up_with_the_last_reason() -> None:
    stage = Stage(lambda request: Cut("connection refused"), give_up=20)
    with pytest.raises(Unreachable, match="connection refused"):
        stage.perform(stage.conversation.snapshot("r1"))
    assert 10 < stage.now <= 20


def test_a_result_is_waited_for_by_following_and_no_snapshot_is_polled() -> None:
    states = iter(["running", "completed"])

    def serve(request: Request) -> Reply:
        if request.path.endswith("/events"):
            return stream(lines(*LOG[2:], END))
        if request.path.endswith("/result"):
            return answer({"run": "r1", "result": {"pages": 3}})
        return answer(snapshot(next(states)))

    stage = Stage(serve)

    assert stage.perform(emitting(stage.conversation.result("r1", timeout_seconds=None))) == [{"pages": 3}]
    paths = [request.path.removeprefix("/api/v1/runs/r1") for request in stage.asked]
    assert paths == ["", "/events", "", "/result"]
    assert stage.cursors == ["2"]


def test_a_log_that_is_reset_while_a_result_is_waited_for_is_taken_up_from_a_new_snapshot() -> None:
    states = iter([snapshot("running"), snapshot("running", epoch=7, seq=1), snapshot("completed")])

    def serve(request: Request) -> Reply:
        if request.path.endswith("/events"):
            is_first = len(stage.cursors) == 1
            return stream(lines({"type": "reset", "epoch": 7}) if is_first else lines(END))
        if request.path.endswith("/result"):
            return answer({"result": None})
        return answer(next(states))

    stage = Stage(serve)

    assert stage.perform(emitting(stage.conversation.result("r1", timeout_seconds=None))) == [None]
    assert stage.cursors == ["2", "7.1"]


def test_a_run_that_failed_has_no_result_and_says_why() -> None:
    stage = Stage(lambda request: answer(snapshot("failed", state_info="The model is away.")))
    with pytest.raises(RunEnded, match=r"the run ended failed: The model is away\.") as caught:
        stage.perform(stage.conversation.result("r1", timeout_seconds=None))
    assert caught.value.state == "failed"


def test_a_result_that_does_not_come_in_time_is_given_up() -> None:
    def serve(request: Request) -> Reply:
        stage.now += 6
        return stream() if request.path.endswith("/events") else answer(snapshot("running"))

    stage = Stage(serve)
    with pytest.raises(TimedOut):
        stage.perform(stage.conversation.result("r1", timeout_seconds=15))


def test_items_are_read_page_by_page_with_the_cursor_of_the_page_before() -> None:
    pages = [
        {"items": [{"index": 0}, {"index": 1}], "next": "7.9"},
        {"items": [{"index": 2}], "next": None},
    ]
    stage = Stage(lambda request: answer(pages.pop(0)))

    items = stage.perform(stage.conversation.items("r1", step="write"))

    assert [item["index"] for item in items] == [0, 1, 2]
    assert [(request.query["after"], request.query["step"]) for request in stage.asked] == [
        (0, "write"),
        ("7.9", "write"),
    ]
