"""The database is restored to an earlier point under an open page: it becomes the truth, and nobody pressed F5."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.stack import Follower, Stack, running_stack
from tests.browser.test_live import RUN_MS, hand_in, keys_of, picture, sign_in, stored_keys

ITEMS_KEPT = 4


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "data"
    hurry = {
        "LONGHAUL_OFFLINE_CHUNK_DELAY_SECONDS": "0.006",
        "LONGHAUL_HEARTBEAT_SECONDS": "2",
        "LONGHAUL_TIME_SCALE": "0.2",
        # An embedded database, whatever the other tests use: it can be put back in one transaction.
        "DATABASE_URL": "",
    }
    with running_stack(folder, **hurry) as running:
        yield running


def back_up(stack: Stack, copy: Path) -> None:
    with closing(sqlite3.connect(stack.folder / "db.sqlite3", timeout=30)) as database:
        database.execute("VACUUM INTO ?", [str(copy)])


def put_back(stack: Stack, copy: Path) -> None:
    """All tables as they were, in one transaction: what a restore does, but for the pause."""
    with closing(sqlite3.connect(stack.folder / "db.sqlite3", timeout=30, isolation_level=None)) as database:
        database.execute("ATTACH ? AS copy", [str(copy)])
        database.execute("BEGIN IMMEDIATE")
        tables = database.execute(
            "SELECT name FROM copy.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            database.execute(f'DELETE FROM main."{table}"')
            database.execute(f'INSERT INTO main."{table}" SELECT * FROM copy."{table}"')
        database.execute("COMMIT")


def test_a_page_heals_itself_when_the_database_is_restored_under_it(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    sign_in(page, stack)
    run = hand_in(page)
    stack.wait_until_items(run, at_least=ITEMS_KEPT)
    follower = Follower(stack, run)  # signs in, which the restore must not undo
    back_up(stack, tmp_path / "backup.sqlite3")
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=RUN_MS)
    phantoms = page.locator(".cards > .card").count()
    follower.follow(until=follower.has_end)
    former = list(follower.events)
    page.evaluate("globalThis.isTheOldPage = true")
    picture(page, "before-the-restore")

    put_back(stack, tmp_path / "backup.sqlite3")

    page.wait_for_function("globalThis.isTheOldPage === undefined", timeout=RUN_MS)
    expect(page.locator("[data-freshness=live]")).to_be_visible(timeout=RUN_MS)
    assert page.locator(".cards > .card").count() < phantoms
    picture(page, "after-the-restore")

    # The step whose lease was saved with the backup is taken up again, under numbers that were given out before.
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=RUN_MS)
    assert keys_of(page) == stored_keys(stack, run)
    snapshot = stack.snapshot(run)
    assert snapshot["epoch"] > 1
    picture(page, "healed")

    follower.follow(until=lambda: follower.resets > 0 and follower.has_end())
    assert follower.events == [event for event in stack.log(run) if event["seq"] in _numbers(follower)]
    assert follower.events != former


def _numbers(follower: Follower) -> set[int]:
    return {event["seq"] for event in follower.events}
