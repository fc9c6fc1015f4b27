"""`kill -9` at the boundaries between the items of a model's answer: the rows of an undisturbed run, none shown twice,
and at most one item paid twice a kill.

With every change some boundaries, drawn by a seed that is printed (LONGHAUL_KILL_SEED draws others); with
LONGHAUL_KILL_EVERYWHERE=1 each of the 500, which takes about ten minutes.
"""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from streaming.llm import Finish, Usage
from streaming.llm.base import ndjson_line
from streaming.llm.receipts import read_receipts
from streaming.llm.recording import save_recording
from tests.acceptance.generating.flows import MAX_LINES, PROMPT
from tests.acceptance.stack import Follower, Stack, running_stack

pytestmark = pytest.mark.acceptance

LINES = [{"number": number, "text": f'line {number}\n– "Müller" 😀'} for number in range(MAX_LINES)]
MOMENTS = ("outbox.append.written", "workflows.items.committed")
CHUNK_CHARS = 16  # shorter than a line: no chunk ends two
KILLS = 20
SEED = int(os.environ.get("LONGHAUL_KILL_SEED", "1"))
IS_EVERYWHERE = os.environ.get("LONGHAUL_KILL_EVERYWHERE") == "1"


@pytest.fixture(scope="module")
def generating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("generating")
    (folder / "points").mkdir()
    text = "".join(map(ndjson_line, LINES))
    chunks = [text[start : start + CHUNK_CHARS] for start in range(0, len(text), CHUNK_CHARS)]
    parts = [*chunks, Finish("stop", Usage(tokens_in=10, tokens_out=len(text) // 4))]
    recording = save_recording(folder / "takes", parts, now=datetime.now(UTC), prompt=PROMPT)
    with running_stack(
        folder / "data",
        DJANGO_SETTINGS_MODULE="tests.acceptance.generating.settings",
        LONGHAUL_FAILPOINTS_DIR=str(folder / "points"),
        LONGHAUL_MODEL_PROVIDER="recorded",
        LONGHAUL_MODEL_RECORDING=str(recording),
        LONGHAUL_MODEL_RECORDING_SPEED="0",
        LONGHAUL_MODEL_RECORDING_LOG=str(folder / "data/served.log"),
        LONGHAUL_FLUSH_MAX_ITEMS="1",  # a commit for each item, so that there is a boundary after each
        LONGHAUL_TIME_SCALE="0.1",
    ) as running:
        running.user = "admin"  # who may start any workflow
        yield running


def deaths() -> dict[int, str]:
    roll = random.Random(SEED)
    numbers = range(MAX_LINES) if IS_EVERYWHERE else sorted(roll.sample(range(MAX_LINES), KILLS - 2))
    edges = {0, MAX_LINES - 1}  # the first and the last are always among them
    return {number: roll.choice(MOMENTS) for number in sorted(edges | set(numbers))}


def started(stack: Stack, at: dict[int, str]) -> str:
    answer = httpx.post(
        f"{stack.url}/api/v1/runs",
        json={"workflow": "acceptance-lines", "input": {"at": at}},
        auth=stack.auth,
        timeout=20,
        trust_env=False,
    )
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["id"])


def rows(stack: Stack, run: str) -> list[dict[str, Any]]:
    """The items of a run as the API gives them, without what may differ from one run to the next."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        query = {"limit": "200", **({"after": after} if after else {})}
        answer = httpx.get(
            f"{stack.url}/api/v1/runs/{run}/items",
            params=query,
            auth=stack.auth,
            timeout=20,
            trust_env=False,
        ).raise_for_status()
        found += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            break
    return [{name: row[name] for name in ("index", "key", "type", "value")} for row in found]


def fold(events: list[dict[str, Any]]) -> list[Any]:
    """What somebody sees who follows: each item in its place. An item that is shown twice fails."""
    shown: dict[int, Any] = {}
    for event in events:
        if event["type"] == "item.committed":
            assert event["data"]["index"] not in shown, "an item is shown twice"
            shown[event["data"]["index"]] = event["data"]["value"]
        assert event["type"] not in ("item.replaced", "item.retracted", "items.reset", "item.rejected")
    return [shown[index] for index in sorted(shown)]


def paid(stack: Stack) -> tuple[int, Counter[int]]:
    log = stack.folder / "served.log"
    return read_receipts(log) if log.exists() else (0, Counter())


def test_killed_at_any_item_it_ends_with_the_same_rows_and_pays_at_most_one_item_twice(
    generating: Stack,
) -> None:
    undisturbed = started(generating, {})
    assert generating.wait_until_finished(undisturbed)["state"] == "completed"
    calls_before, served_before = paid(generating)
    assert (calls_before, set(served_before.values()), len(served_before)) == (1, {1}, MAX_LINES)
    at = deaths()
    print(f"seed {SEED}: killed at {at}")  # noqa: T201

    run = started(generating, at)
    follower = Follower(generating, run)
    seconds = 120.0 + 3.0 * len(at)
    following = threading.Thread(
        target=follower.follow, kwargs={"until": follower.has_end, "seconds": seconds}
    )
    following.start()
    following.join(seconds + 10)
    snapshot = generating.wait_until_finished(run)

    assert snapshot["state"] == "completed", snapshot
    assert rows(generating, run) == rows(generating, undisturbed)
    assert fold(generating.log(run)) == fold(follower.events) == LINES
    assert follower.doubled == []
    lost = [event for event in generating.log(run) if event["type"] == "attempt.lost"]
    assert len(lost) == len(at), "not every kill struck"
    calls, served = paid(generating)
    assert calls - calls_before == len(at) + 1
    twice = {
        number: count - 2 for number, count in served.items() if count > 2
    }  # one was the undisturbed run's
    print(f"{len(at)} kills, {len(twice)} items paid twice")  # noqa: T201
    assert sum(twice.values()) <= len(at)
    assert set(twice.values()) <= {1}
