"""Both clients over real connections: what the core says is what they do."""

import asyncio
import socket
from contextlib import aclosing
from itertools import islice

import pytest

from config.ports import free_port
from streaming.client import AsyncClient, Client, Refused, TimedOut, Unreachable
from tests.integration.streaming.client.conftest import END, LOG, QUICK, Server


def test_a_cut_stream_is_taken_up_at_the_cursor_and_nothing_comes_twice(server: str, ask) -> None:
    cuts: list[str] = []

    events = ask(server, "follow", "0198", timeout_seconds=30, on_cut=cuts.append)

    assert [line for line in events if line["type"] != "step.progress"] == [*LOG, END]
    assert Server.streams == ["0", "3", "3"]
    assert len(cuts) == 2


def test_a_log_that_is_restored_meanwhile_begins_again_and_its_epoch_is_kept(server: str, ask) -> None:
    def restore(why: str) -> None:
        Server.epoch = 1_763_800_000

    events = ask(server, "follow", "0198", on_cut=restore)

    told = [event.get("seq") or event["type"] for event in events]
    assert [line for line in told if line != "step.progress"] == [1, 2, 3, "reset", *range(1, 9), "end"]
    assert Server.streams == ["0", "3", "3", "1763800000.0"]


def test_a_run_that_does_not_end_is_given_up_with_a_sentence(server: str, ask) -> None:
    with pytest.raises(TimedOut, match="did not end within 0 s"):
        ask(server, "follow", "0198", timeout_seconds=0)


@pytest.mark.parametrize("auth", ["lh_right", ("demo", "right")], ids=["token", "password"])
def test_a_start_whose_answer_is_lost_is_asked_again_with_its_key(server: str, ask, auth) -> None:
    assert ask(server, "start", "printing", {"book": "Moby-Dick"}, auth=auth, title="A whale") == {
        "id": "0198"
    }

    first, second = Server.bodies
    assert first == second
    assert b'"title":"A whale"' in first
    assert len(set(Server.keys)) == 1
    assert Server.keys[0]


@pytest.mark.parametrize("auth", ["lh_wrong", ("demo", "wrong"), None], ids=["token", "password", "nobody"])
def test_a_refusal_is_told_in_the_words_of_the_server(server: str, ask, auth) -> None:
    with pytest.raises(Refused, match=r"answered 401: Wrong name or password\.") as caught:
        ask(server, "send", "POST", "/api/analysis", auth=auth, content=b"x")
    assert caught.value.code == "not-authenticated"


def test_a_server_that_is_not_there_is_given_up(ask) -> None:
    with pytest.raises(Unreachable):
        ask(f"http://127.0.0.1:{free_port()}", "send", "GET", "/")


def test_what_is_no_server_of_ours_is_named(server: str, ask) -> None:
    with pytest.raises(Unreachable, match="is this the address of a Longhaul"):
        ask(server, "snapshot", "0198")


def test_credentials_go_to_no_other_server(server: str, ask) -> None:
    with pytest.raises(ValueError, match="is not on the server of this client"):
        ask(server, "send", "GET", "http://127.0.0.1:1/report.pdf")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "", "ws://127.0.0.1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="is no address of a server"):
            kind(url)


def test_a_silent_stream_is_taken_for_cut() -> None:
    cuts: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:  # its backlog accepts, and nobody answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(url, patience=QUICK, silence_seconds=0.1, trust_env=False) as client,
            pytest.raises(TimedOut),
        ):
            list(client.follow("0198", timeout_seconds=0.5, on_cut=cuts.append))
    assert cuts


def test_who_leaves_early_closes_the_line(server: str) -> None:
    with Client(server, trust_env=False) as client:
        events = client.follow("0198")
        assert list(islice(events, 2)) == LOG[:2]
        events.close()

    async def leave() -> list[object]:
        async with AsyncClient(server, trust_env=False) as client, aclosing(client.follow("0198")) as events:
            return [await anext(events)]

    Server.streams.clear()
    assert asyncio.run(leave()) == LOG[:1]
