import random

from outbox.failpoints import NAMES
from tests.faults.cells import EXTRA, all_cells
from tests.faults.choosing import CHOSEN, pairwise
from tests.faults.moments import MORE

# Cells beside the matrix, by moment or fault.
BESIDE = {"written", "leased", "consumed-read", "consumed-handled", "consumed-applied", "posted", "empty"}


def test_no_failpoint_is_without_a_cell():
    struck = {point.partition("@")[0] for cell in all_cells() for point in cell.points}
    assert struck == NAMES


def test_no_two_cells_have_one_name_and_the_matrix_is_whole():
    names = [cell.name for cell in all_cells()]
    assert len(set(names)) == len(names)
    assert len([name for name in names if name.startswith("G2.") and name not in EXTRA]) == 9 * 8
    more = {f"{moment.group}.{moment.name}" for moment in MORE}
    saga = [name for name in names if name.startswith("G3.") and name.rpartition(".")[0] not in more]
    assert len(saga) == 8 * 5
    relay = [name for name in names if name.startswith("G4.") and name.split(".")[1] not in BESIDE]
    assert len(relay) == 6 * 7
    redis = [name for name in names if name.startswith("G5.") and name.split(".")[2] not in BESIDE]
    assert len(redis) == 4 * 7


def test_postgres_is_struck_in_each_way_at_each_moment():
    names = {cell.name for cell in all_cells()}
    moments = ("idle", "mid-batch", "backlog", "after-terminal")
    faults = ("restart", "failover", "loss", "connections", "locks", "full", "readonly")
    assert names >= {f"G6.{moment}.{fault}" for moment in moments for fault in faults}


def test_the_cells_of_every_change_are_few_and_exist():
    assert len(CHOSEN) <= 30
    assert {cell.name for cell in all_cells()} >= CHOSEN


def test_a_pairwise_choice_has_each_moment_and_each_fault_of_each_group():
    names = [cell.name for cell in all_cells()]
    chosen = pairwise(names, random.Random(7))
    parts = [name.split(".") for name in names]
    assert {(group, moment) for group, moment, _ in parts} == {tuple(n.split(".")[:2]) for n in chosen}
    assert {(group, fault) for group, _, fault in parts} == {tuple(n.split(".")[::2]) for n in chosen}
    assert len(chosen) < len(names) / 2
