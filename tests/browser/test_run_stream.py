"""The browser's end of the protocol: whatever the line does, each event once, in order, and an honest word."""

import json
import random
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute

from tests.browser.scripted import RUN, ScriptedServer, envelope, follow, seen, wait_until


def numbers(last: int) -> list[int]:
    return list(range(1, last + 1))


def test_doubled_and_old_events_are_applied_once(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=3)
    follow(script_page)
    wait_until(script_page, "seen.length === 3")

    one, two = server.grow(2)
    server.tell(one, one, two, server.log[0], two)

    wait_until(script_page, "seen.length >= 5")
    assert seen(script_page) == numbers(5)
    assert script_page.evaluate("said") == ["catching_up", "live"]
    assert server.backfills == []


def test_a_jump_is_filled_from_the_log(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=2)
    follow(script_page)
    wait_until(script_page, "seen.length === 2")

    *_, last = server.grow(120)
    server.tell(last)

    wait_until(script_page, "seen.length >= 122")
    assert seen(script_page) == numbers(122)
    assert server.backfills == [2, 52, 102]


def test_numbers_that_are_not_for_us_are_no_gap(script_page: Page) -> None:
    server = ScriptedServer(script_page)
    follow(script_page)
    wait_until(script_page, "said.includes('live')")

    hidden, shown = server.grow(2)
    server.log[0] = {}
    server.tell(shown)
    wait_until(script_page, "seen.length === 1")
    server.grow(1)
    server.log[2] = {}
    server.send({"type": "hb", "run": RUN, "head": 3, "epoch": 1})
    wait_until(script_page, "stream.seen === 3")
    server.send({"type": "hb", "run": RUN, "head": 3, "epoch": 1})
    server.tell(*server.grow(1))

    wait_until(script_page, "seen.length === 2")
    assert seen(script_page) == [shown["seq"], 4]
    assert server.backfills == [hidden["seq"] - 1, 2]


def test_a_stream_that_hides_events_by_design_is_trusted(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=2)
    server.is_full = False
    follow(script_page)
    wait_until(script_page, "seen.length === 2")

    *_, shown = server.grow(3)
    server.tell(shown, server.log[2], shown)
    server.send({"type": "caught_up", "run": RUN, "seq": 6})

    wait_until(script_page, "stream.seen === 6")
    assert seen(script_page) == [1, 2, 5]
    assert server.backfills == []


def test_a_heartbeat_exposes_a_lost_last_message(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    follow(script_page)
    wait_until(script_page, "seen.length === 1")

    server.grow(2)
    server.send({"type": "hb", "run": RUN, "head": 3, "epoch": 1})

    wait_until(script_page, "seen.length === 3")


def test_a_gap_frame_is_healed_from_the_log(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    follow(script_page)
    wait_until(script_page, "seen.length === 1")

    server.grow(4)
    server.send({"type": "gap", "run": RUN})

    wait_until(script_page, "seen.length === 5")


def test_a_replay_that_never_comes_is_read(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=4)
    server.on_subscribe = lambda socket, after: None
    follow(script_page, limits={"graceMs": 30})

    wait_until(script_page, "seen.length === 4 && stream.freshness.state === 'live'")


def test_after_a_cut_it_goes_on_from_its_cursor(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=2)
    follow(script_page, after=1)
    wait_until(script_page, "seen.length === 1")

    server.sockets[-1].close(code=1012)
    server.grow(3)

    wait_until(script_page, "seen.length === 4")
    assert server.cursors == [1, 2]
    assert script_page.evaluate("said") == ["catching_up", "live", "catching_up", "live"]


def test_a_connection_that_dies_before_its_first_event_keeps_the_cursor(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=7)
    answers = [lambda socket, after: socket.close(code=1012), server.replay]
    server.on_subscribe = lambda socket, after: answers.pop(0)(socket, after)
    follow(script_page, after=5)

    wait_until(script_page, "seen.length === 2")
    assert server.cursors == [5, 5]


def test_silence_is_taken_for_a_dead_line(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    server.on_subscribe = lambda socket, after: server.send({"type": "hello", "hb_ms": 20}, to=socket)
    follow(script_page, after=1)

    wait_until(script_page, "said.filter((word) => word === 'catching_up').length >= 2")
    assert server.cursors[:2] == [1, 1]


def test_bye_is_waited_for_as_long_as_told(script_page: Page) -> None:
    server = ScriptedServer(script_page)
    follow(script_page)
    wait_until(script_page, "said.includes('live')")

    script_page.evaluate("globalThis.startedAt = performance.now()")
    server.send({"type": "bye", "retry_ms": 150})

    wait_until(script_page, "said.filter((word) => word === 'live').length === 2")
    assert 150 <= script_page.evaluate("performance.now() - startedAt") < 2_000


@pytest.mark.parametrize(("code", "reason"), [(4401, "signed_out"), (4403, "forbidden"), (4404, "unknown")])
def test_a_refusal_is_said_and_not_tried_again(script_page: Page, code: int, reason: str) -> None:
    server = ScriptedServer(script_page)
    server.on_subscribe = lambda socket, after: socket.close(code=code)
    follow(script_page)

    wait_until(script_page, f"said.at(-1) === '{reason}'")
    assert len(server.sockets) == 1


def test_an_error_frame_about_a_vanished_run_ends_it(script_page: Page) -> None:
    server = ScriptedServer(script_page)
    problem = {"code": "not-found", "status": 404}
    server.on_subscribe = lambda socket, after: server.send({"type": "error", "run": RUN, "problem": problem})
    follow(script_page)

    wait_until(script_page, "said.at(-1) === 'unknown'")


def test_the_end_is_said_and_a_resumed_run_is_live_again(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=2)
    follow(script_page)
    wait_until(script_page, "said.at(-1) === 'live'")

    server.grow(2)
    server.send({"type": "end", "run": RUN, "last_seq": 4, "state": "failed"})
    wait_until(script_page, "said.at(-1) === 'done'")
    assert seen(script_page) == numbers(4)

    server.tell(*server.grow(1, "operator.action"))
    wait_until(script_page, "seen.length === 5")
    assert script_page.evaluate("said.at(-1)") == "done"
    server.tell(*server.grow(1, "run.resumed"))
    wait_until(script_page, "said.at(-1) === 'live'")


def test_a_restored_log_starts_over_from_a_new_snapshot(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=9)
    follow(script_page)
    wait_until(script_page, "seen.length === 9")

    del server.log[6:]
    server.epoch = 2
    server.send({"type": "hb", "run": RUN, "head": 6, "epoch": 2})
    wait_until(script_page, "resets === 1 && stream.freshness.state === 'live'")
    server.tell(*server.grow(1))

    wait_until(script_page, "seen.length === 1")
    assert server.cursors == [0, "2.6"]
    assert seen(script_page) == [7]


def test_a_log_that_is_restored_between_two_connections_is_told_with_a_reset(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=9)
    follow(script_page)
    wait_until(script_page, "seen.length === 9")

    server.restore(lost=3)
    server.sockets[-1].close()
    wait_until(script_page, "resets === 1 && stream.freshness.state === 'live'")
    server.tell(*server.grow(1))
    wait_until(script_page, "seen.length === 1")
    server.sockets[-1].close()
    script_page.wait_for_function("said.filter((state) => state === 'live').length === 3")

    assert server.cursors == [0, 9, f"{server.epoch}.6", f"{server.epoch}.7"]
    assert (seen(script_page), script_page.evaluate("resets")) == ([7], 1)


def test_a_reset_under_way_is_taken_up_at_once_and_nothing_of_the_log_before_is_applied(
    script_page: Page,
) -> None:
    server = ScriptedServer(script_page, log=5)
    follow(script_page)
    wait_until(script_page, "seen.length === 5")

    phantom = server.grow(1)
    server.restore(lost=2)
    server.send(server.reset())
    server.tell(*phantom)

    wait_until(script_page, "resets === 1 && stream.freshness.state === 'live'")
    assert seen(script_page) == []
    assert script_page.evaluate("[stream.seen, stream.epoch]") == [4, server.epoch]
    assert script_page.evaluate("said.includes('offline')") is False


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_gap_that_the_log_cannot_fill_any_more_is_a_new_beginning(script_page: Page, is_cut: bool) -> None:
    """Either its events are no longer kept, or the page that fills it is of a restored log."""
    server = ScriptedServer(script_page, log=2)
    follow(script_page)
    wait_until(script_page, "seen.length === 2")

    later = server.grow(7)
    if is_cut:
        server.pruned = 5
    else:
        server.goes_on_from = lambda epoch, after: True  # the page is read in the moment before it is noticed
        server.epoch = 2
    server.tell(later[-1])

    wait_until(script_page, "resets === 1 && stream.freshness.state === 'live'")
    assert script_page.evaluate("[stream.seen, stream.epoch]") == [9, server.epoch]
    assert (seen(script_page), script_page.evaluate("said.includes('offline')")) == ([], False)


def test_a_snapshot_of_a_restored_log_is_a_new_beginning_too(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=5)
    follow(script_page)
    wait_until(script_page, "seen.length === 5")

    server.restore(lost=2)
    script_page.evaluate(
        "stream.addEventListener('snapshot', () => { globalThis.wasShown = true; }); void stream.refresh();"
    )

    wait_until(script_page, "resets === 1 && stream.freshness.state === 'live'")
    assert script_page.evaluate("globalThis.wasShown") is None
    assert server.cursors == [0, f"{server.epoch}.3"]


def test_without_a_cursor_it_begins_from_the_snapshot(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=5)
    follow(script_page, after=None)
    wait_until(script_page, "said.includes('live')")

    assert server.cursors == [5]
    assert seen(script_page) == []


def sse_of_three() -> Callable[[Route, int], None]:
    """A stream of the whole log of three events; 204 from the second time on."""
    served = []

    def sse(route: Route, after: int) -> None:
        if served:
            route.fulfill(status=204)
            return
        served.append(after)
        hello = json.dumps({"type": "hello", "run": RUN, "head": 3, "hb_ms": 15_000})
        blocks = [f"event: control\ndata: {hello}\n\n"]
        blocks += [f'id: {seq}\ndata: {{"seq":{seq},"type":"message","data":{{}}}}\n\n' for seq in numbers(3)]
        blocks += ['event: control\ndata: {"type":"end","last_seq":3,"state":"completed"}\n\n', "data: {cut"]
        body = "retry: 2000\n" + "".join(blocks)
        route.fulfill(body=body, content_type="text/event-stream")

    return sse


def test_where_no_socket_gets_through_it_goes_by_server_sent_events(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=3)
    server.refuses_sockets = True
    server.is_terminal = True
    server.sse = sse_of_three()
    follow(script_page, limits={"idlePollMs": 20})

    wait_until(script_page, "said.at(-1) === 'done'")
    assert seen(script_page) == numbers(3)
    assert "offline" not in script_page.evaluate("said")
    server.refuses_sockets, server.is_terminal = False, False
    server.grow(1)
    wait_until(script_page, "seen.length === 4")


def test_where_a_proxy_swallows_sockets_it_goes_by_server_sent_events(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=3)
    server.is_terminal = True
    server.swallow_sockets()
    server.sse = sse_of_three()
    follow(script_page, limits={"openMs": 1_000})

    wait_until(script_page, "said.at(-1) === 'done'")
    assert seen(script_page) == numbers(3)
    assert script_page.evaluate("swallowed") == 1
    assert "offline" not in script_page.evaluate("said")


def test_a_page_that_was_hidden_while_its_socket_opened_has_not_missed_it(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=3)
    server.swallow_sockets()
    asked = []
    server.sse = lambda route, after: asked.append(after)
    follow(script_page)

    wait_until(script_page, "swallowed === 1")
    script_page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    script_page.evaluate("window.dispatchEvent(new Event('pageshow'))")

    wait_until(script_page, "swallowed === 2")
    assert asked == []


def test_a_read_of_the_log_that_hangs_is_said_and_costs_no_event(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    server.unanswered = 1
    follow(script_page, limits={"openMs": 300})
    wait_until(script_page, "seen.length === 1 && said.at(-1) === 'live'")

    *_, last = server.grow(2)
    server.tell(last)
    wait_until(script_page, "said.at(-1) === 'catching_up'")
    server.send({"type": "hb", "run": RUN, "head": 3, "epoch": 1})

    wait_until(script_page, "seen.length === 3 && said.at(-1) === 'live'")
    assert (server.cursors, server.unanswered) == ([0, 1], 0)


def test_a_read_that_hangs_on_an_old_connection_disturbs_no_new_one(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    server.unanswered = 1
    follow(script_page, limits={"openMs": 1_000})
    wait_until(script_page, "seen.length === 1")

    *_, last = server.grow(2)
    server.tell(last)
    wait_until(script_page, "said.at(-1) === 'catching_up'")
    server.sockets[-1].close(code=1012)
    wait_until(script_page, "seen.length === 3")
    with script_page.expect_event("requestfailed", lambda request: "events" in request.url):
        *_, last = server.grow(2)
        server.tell(last)
        wait_until(script_page, "seen.length === 5")
    server.tell(*server.grow(1))

    wait_until(script_page, "seen.length === 6")
    assert server.cursors == [0, 1]
    assert server.backfills == [3]


def test_a_snapshot_that_hangs_is_asked_for_again(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=2)
    server.unanswered = 1
    follow(script_page, after=None, limits={"openMs": 200})

    wait_until(script_page, "said.at(-1) === 'live'")
    assert server.cursors == [2]


def test_after_the_end_a_snapshot_that_hangs_is_asked_for_again(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=3)
    server.refuses_sockets = server.is_terminal = True
    server.sse = sse_of_three()
    server.unanswered = 1
    follow(script_page, limits={"openMs": 200, "idlePollMs": 20})
    wait_until(script_page, "said.at(-1) === 'done'")

    server.refuses_sockets = server.is_terminal = False
    server.grow(1)
    wait_until(script_page, "seen.length === 4")


def test_no_server_at_all_is_called_offline_since_its_last_sign_of_life(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    follow(script_page)
    wait_until(script_page, "seen.length === 1")

    server.refuses_sockets = True
    server.sse = lambda route, after: route.abort()
    server.sockets[-1].close(code=1012)
    wait_until(script_page, "said.at(-1) === 'offline'")
    assert 0 <= script_page.evaluate("Date.now() - stream.freshness.since") < 10_000

    server.refuses_sockets = False
    server.grow(1)
    wait_until(script_page, "seen.length === 2 && said.at(-1) === 'live'")


@pytest.mark.parametrize("seed", range(6))
def test_random_faults_end_with_exactly_the_log(script_page: Page, seed: int) -> None:
    server, dice = ScriptedServer(script_page, log=5), random.Random(seed)

    def faulty(socket: WebSocketRoute, after: int) -> None:
        if server.head >= 60:
            server.send({"type": "hb", "run": RUN, "head": server.head, "epoch": 1}, to=socket)
            return
        for event in server.log[after:] + server.grow(dice.randrange(5)):
            match dice.choice(["send", "send", "send", "double", "drop", "swap", "cut"]):
                case "send":
                    server.send({"type": "event", "event": event}, to=socket)
                case "double":
                    server.send({"type": "event", "event": event}, to=socket)
                    server.send({"type": "event", "event": event}, to=socket)
                case "swap":
                    later = server.log[min(event["seq"], server.head - 1)]
                    server.send({"type": "event", "event": later}, to=socket)
                case "cut":
                    socket.close(code=dice.choice([1012, 4408, 4429]))
                    return
        socket.close(code=1012)

    server.on_subscribe = faulty
    follow(script_page)

    wait_until(script_page, "seen.length >= 60")
    wait_until(script_page, f"seen.length >= {server.head} && said.at(-1) === 'live'")
    assert seen(script_page) == numbers(server.head)


def test_a_stream_of_events_cut_anywhere_gives_the_same_blocks(script_page: Page) -> None:
    text = 'retry: 2000\nevent: control\r\ndata: {"type":"hb"}\n\nid: 4\ndata: ä\ndata:b\r\n\r\n: note\n\ndata: cut'
    found = script_page.evaluate(
        """(text) => [...text].map((_, at) => {
          const parser = new longhaul.SseParser();
          return JSON.stringify([...parser.feed(text.slice(0, at)), ...parser.feed(text.slice(at))]);
        })""",
        text,
    )
    control = {"id": None, "event": "control", "data": '{"type":"hb"}'}
    expected = [control, {"id": "4", "event": "message", "data": "ä\nb"}]
    assert [json.loads(blocks) for blocks in found] == [expected] * len(text)


def test_back_off_is_jittered_doubles_and_is_capped(script_page: Page) -> None:
    waits = script_page.evaluate(
        "[0, 1, 3, 9, 99].map((failures) => longhaul.backoff(failures, { roll: 0.5 }))"
    )
    assert waits == [500, 1_000, 4_000, 15_000, 15_000]


def test_ephemeral_frames_never_move_the_cursor(script_page: Page) -> None:
    server = ScriptedServer(script_page, log=1)
    follow(script_page)
    wait_until(script_page, "seen.length === 1")
    script_page.evaluate("stream.addEventListener('frame', ({ detail }) => { globalThis.frame = detail; })")

    frame = envelope(1, "step.progress", done=3, total=9, unit="pages")
    del frame["seq"]
    server.tell(frame)

    wait_until(script_page, "globalThis.frame?.data.done === 3")
    assert script_page.evaluate("stream.seen") == 1
