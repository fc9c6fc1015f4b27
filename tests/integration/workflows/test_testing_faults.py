"""Faults on command: wherever a worker dies, doubles or stalls, the run comes to the same end."""

from collections.abc import Generator
from typing import get_args

import pytest
from pydantic import BaseModel

from tests.flows import fanning, ledger, ordering, undoing
from workflows.definitions import Retry, Workflow, step
from workflows.models import Attempt
from workflows.states import RunState
from workflows.testing import Died
from workflows.testing.faults import MOMENTS, FaultKind

# Without a transaction of its own: the helpers' own commits are savepoints here.
pytestmark = pytest.mark.django_db

DEATHS = [kind for kind in get_args(FaultKind) if kind.startswith("die")]


class Nothing(BaseModel): ...


class Word(BaseModel):
    text: str


@step(title="Clinging", items=Word, retry=Retry(attempts=2))
def cling(ctx) -> Generator[Word, None, int]:
    try:
        yield Word(text="a")
        yield Word(text="b")
    except Exception:
        raise AssertionError("a death is no error of the handler") from None
    finally:
        ctx.say("Still here")
    return 0


clinging = Workflow("test-clinging", version=1, input=Nothing, title="Clinging", steps=[cling])


@pytest.fixture(autouse=True)
def empty_ledger() -> None:
    ledger.clear()


@pytest.mark.parametrize("kind", DEATHS)
def test_wherever_a_worker_dies_the_run_completes(longhaul, kind):
    for name in ("reserve", "list_parts", "charge"):
        longhaul.fault(name, kind)
    run = longhaul.finish(longhaul.start(ordering))
    assert run.state == RunState.COMPLETED
    longhaul.check(run)
    # The idle limit of list_parts is shorter than a lease, so it is what rings.
    for name, lost in (("reserve", "lost"), ("list_parts", "timed_out"), ("charge", "lost")):
        first = [] if kind == "die_after_commit" else [lost]
        assert longhaul.attempts(run, name) == [*first, "completed"]
    bodies = {"die_before_body": 1, "die_after_commit": 1}.get(kind, 2)
    assert [what for what, _ in ledger].count("charge") == bodies


def test_after_a_death_the_lease_is_held_until_time_has_passed(longhaul):
    longhaul.fault("reserve", "die_after_body")
    run = longhaul.drive(longhaul.start(ordering))
    reserve = run.steps.get(name="reserve")
    assert (reserve.state, reserve.holder) == ("running", longhaul.holder)
    longhaul.sweep(after_seconds=29)
    assert longhaul.attempts(run, "reserve") == ["running"]
    longhaul.sweep(after_seconds=1)
    assert longhaul.attempts(run, "reserve") == ["lost"]


def test_a_worker_may_die_after_some_items_which_are_kept(longhaul):
    longhaul.fault("list_parts", "die_in_body", after_items=2)
    run = longhaul.finish(longhaul.start(ordering))
    written = run.items.order_by("index").values_list("data__text", "attempt")
    assert list(written) == [("shade", 1), ("bulb", 1), ("foot", 2)]
    longhaul.check(run)


def test_a_step_that_kills_its_worker_each_time_ends(longhaul):
    longhaul.fault("reserve", "die_in_body", times=3)
    run = longhaul.finish(longhaul.start(ordering))
    assert (run.state, run.error["code"]) == (RunState.FAILED, "worker-lost")
    longhaul.check(run)


def test_a_worker_that_loses_its_lease_in_the_middle_writes_nothing_more(longhaul):
    longhaul.fault("list_parts", "lose_lease", after_items=1)
    longhaul.fault("charge", "lose_lease")
    run = longhaul.finish(longhaul.start(ordering))
    assert run.state == RunState.COMPLETED
    assert longhaul.attempts(run, "list_parts") == ["lost", "completed"]
    assert longhaul.attempts(run, "charge") == ["lost", "completed"]
    assert list(run.items.order_by("index").values_list("attempt", flat=True)) == [1, 2, 2]
    longhaul.check(run)


def test_a_message_that_comes_twice_does_the_work_once(longhaul):
    for name in ("reserve", "list_parts", "charge"):
        longhaul.fault(name, "deliver_twice")
    run = longhaul.finish(longhaul.start(ordering))
    assert [what for what, _ in ledger] == ["reserve", "list_parts", "charge"]
    assert Attempt.objects.filter(step__run=run).count() == 3


def test_an_undo_meets_its_own_faults(longhaul):
    longhaul.fault("reserve", "die_after_body", undo=True)
    run = longhaul.finish(longhaul.start(undoing, input={"fails_at": "charge", "error": "fatal"}))
    assert run.state == RunState.COMPENSATED
    assert longhaul.attempts(run, "reserve") == ["completed"]
    assert longhaul.attempts(run, "reserve", undo=True) == ["lost", "completed"]
    longhaul.check(run)


def test_a_part_of_a_fan_out_is_named_alone_or_with_its_siblings(longhaul):
    longhaul.fault("weigh[1]", "die_after_body")
    longhaul.fault("weigh", "die_before_body")
    run = longhaul.finish(longhaul.start(fanning))
    tries = [longhaul.attempts(run, f"weigh[{index}]") for index in range(3)]
    assert tries == [["lost", "completed"], ["lost", "completed"], ["completed"]]
    longhaul.check(run)


def test_something_else_may_happen_while_a_step_is_at_work(longhaul):
    run = longhaul.start(ordering)
    longhaul.during("list_parts", lambda: longhaul.cancel(run), after_items=2)
    run = longhaul.finish(run)
    assert run.state == RunState.CANCELLED
    assert longhaul.attempts(run, "list_parts") == ["cancelled"]
    assert len(longhaul.items(run)) == 2
    longhaul.check(run)


def test_a_handler_cannot_swallow_its_death_nor_write_after_it(longhaul):
    longhaul.fault("cling", "die_in_body", after_items=1)
    run = longhaul.finish(longhaul.start(clinging))
    assert longhaul.attempts(run, "cling") == ["lost", "completed"]
    assert longhaul.messages(run) == ["Still here"]


def test_a_fault_that_does_not_exist_is_refused(longhaul):
    with pytest.raises(ValueError, match="no fault 'die_of_boredom'; there are die_before_body"):
        longhaul.fault("reserve", "die_of_boredom")


def test_a_fault_that_never_happened_is_told(longhaul):
    longhaul.fault("reserve", "die_in_body", after_items=9)
    longhaul.finish(longhaul.start(ordering))
    with pytest.raises(AssertionError, match="never happened: die_in_body of reserve after 9 items"):
        longhaul.expect_no_fault_left()
    longhaul._faults.clear()


def test_each_kind_of_fault_has_its_moments():
    assert set(MOMENTS) == set(get_args(FaultKind))
    assert not issubclass(Died, Exception)
