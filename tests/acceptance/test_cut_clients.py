"""The Python client behind a line that is cut at random: one run, its whole log once and in order, its result."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from streaming.client import AsyncClient, Client, Patience
from tests.acceptance.cutting import CuttingProxy
from tests.acceptance.stack import ROOT, Stack, running_stack

pytestmark = pytest.mark.acceptance

SEED = int(os.environ.get("LONGHAUL_CUT_SEED", "1"))
NUMBERS = 200
OPTIONS: dict[str, Any] = {
    "patience": Patience(base=0.02, cap=0.1, give_up=60),
    "silence_seconds": 4.0,  # more than two heartbeats at this pace
    "trust_env": False,
}


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("counting") / "data",
        DJANGO_SETTINGS_MODULE="tests.acceptance.counting.settings",
        LONGHAUL_TIME_SCALE="0.1",
    ) as running:
        running.user = "admin"  # who may start any workflow, and sees the whole log
        yield running


@pytest.fixture
def proxy(counting: Stack) -> Iterator[CuttingProxy]:
    with CuttingProxy(counting.port, seed=SEED, longest_bytes=8_000) as proxy:
        yield proxy


def with_threads(url: str, auth: Any, body: dict[str, Any], *, title: str) -> tuple[str, list[Any], Any]:
    with Client(url, auth=auth, **OPTIONS) as client:
        run = client.start("acceptance-counting", body, title=title)["id"]
        return run, list(client.follow(run, timeout_seconds=300)), client.result(run, timeout_seconds=120)


def with_asyncio(url: str, auth: Any, body: dict[str, Any], *, title: str) -> tuple[str, list[Any], Any]:
    async def whole() -> tuple[str, list[Any], Any]:
        async with AsyncClient(url, auth=auth, **OPTIONS) as client:
            run = (await client.start("acceptance-counting", body, title=title))["id"]
            events = [event async for event in client.follow(run, timeout_seconds=300)]
            return run, events, await client.result(run, timeout_seconds=120)

    # In a thread of its own: a browser's test before this one may have left an event loop in the main one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(whole())).result()


@pytest.mark.parametrize("client", [with_threads, with_asyncio], ids=["threads", "asyncio"])
def test_a_run_behind_a_line_that_is_cut_at_random_is_one_run_whose_log_is_had_whole(
    counting: Stack, proxy: CuttingProxy, client
) -> None:
    title = f"cut {client.__name__}"

    run, told, result = client(proxy.url, counting.auth, {"up_to": NUMBERS}, title=title)

    log = counting.log(run)
    assert [event for event in told if "seq" in event] == log
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert told[-1] == {"type": "end", "last_seq": len(log), "state": "completed"}
    assert result == {"sum": sum(range(NUMBERS))}
    assert proxy.fates.total() >= 10, f"seed {SEED}: {proxy.fates}"
    runs = counting.get("/api/v1/runs", params={"workflow": "acceptance-counting"}).json()["runs"]
    assert [row["id"] for row in runs if row["title"] == title] == [run], "a repeated start started twice"


def test_a_client_finds_the_web_process_again_that_was_killed_under_it(
    counting: Stack, tmp_path: Path
) -> None:
    cuts: list[str] = []
    with Client(counting.url, auth=counting.auth, **OPTIONS) as client:
        run = client.start("acceptance-counting", {"up_to": NUMBERS})["id"]
        told = []
        for event in client.follow(run, timeout_seconds=120, on_cut=cuts.append):
            told.append(event)
            if event.get("data", {}).get("index") == 20:
                counting.kill("web")

    assert [event for event in told if "seq" in event] == counting.log(run)
    assert cuts


def test_a_run_is_watched_from_a_shell_across_every_cut(counting: Stack) -> None:
    with Client(counting.url, auth=counting.auth, **OPTIONS) as client:
        run = client.start("acceptance-counting", {"up_to": 100}, title="Watched")["id"]

    # A page of all items has to fit once in a while.
    with CuttingProxy(counting.port, seed=SEED, longest_bytes=60_000) as proxy:
        done = subprocess.run(
            [sys.executable, "manage.py", "runs", "watch", run[-12:], "--url", proxy.url, "--timeout", "120"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "LONGHAUL_DATA_DIR": str(counting.folder)},
            capture_output=True,
            text=True,
            timeout=150,
        )

    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == f"Watched ({run})"
    items = [line for line in said if line.startswith("+ ")]
    assert items == list(dict.fromkeys(items))
    assert len(items) == 100
    assert 'count 99: {"number": 99' in items[-1]
    assert {"count: completed", "add_up: completed", "run: completed"} <= set(said)
    assert not any("Traceback" in line for line in done.stderr.splitlines())
