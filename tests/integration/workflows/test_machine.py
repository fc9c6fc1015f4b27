"""Whatever happens in whatever order, the database comes to what a small reference model says.

Hypothesis draws plans of up to 12 steps and interleavings of workers, crashes, zombies, time, sweeps and verbs; after
each act the rows are compared with `oracle.Oracle`, and the log with the invariants.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outbox.models import Entry
from tests.flows import Order
from tests.integration.workflows.oracle import Node, Oracle
from tests.playing import play
from workflows.conf import conf
from workflows.definitions import Retry, Workflow, parallel, registry, step
from workflows.engine.lease import Lease
from workflows.engine.outcomes import ErrorInfo, Failed, Stopped, Succeeded
from workflows.errors import InvalidTransition, LeaseLost
from workflows.events import TYPES
from workflows.models import Run, Step
from workflows.services import cancel, compensate, leases, retry, settling, start
from workflows.services.sweep import sweep
from workflows.testing import FakeClock
from workflows.testing.invariants import faults_of

pytestmark = pytest.mark.django_db(transaction=True)

ROLL = 0.5


def make_step(name: str, *, undo: bool, attempts: int, pivot: bool) -> Any:
    def handler(ctx: Any) -> int:
        raise AssertionError("outcomes are drawn, no body runs")

    handler.__name__ = name
    declared = step(title=name, retry=Retry(attempts=attempts, base=1, cap=5), pivot=pivot, retry_only=False)(
        handler
    )
    if undo:
        declared.undo(lambda ctx, output: None)
    return declared


@st.composite
def plans(draw: st.DrawFn) -> tuple[Workflow, Oracle]:
    """A workflow of up to 12 steps, its last one perhaps a pivot, and the model of a run of it."""
    nodes: list[Node] = []
    stages: list[Any] = []
    for stage in range(draw(st.integers(1, 4))):
        branches = []
        for branch in range(draw(st.integers(1, 3))):
            sequence = []
            for _ in range(draw(st.integers(1, 2)) if len(nodes) < 10 else 1):
                if len(nodes) == 12:
                    continue
                undo, attempts = draw(st.booleans()), draw(st.integers(1, 2))
                nodes.append(Node(f"s{len(nodes)}", stage, branch, undo, attempts))
                sequence.append(make_step(nodes[-1].name, undo=undo, attempts=attempts, pivot=False))
            if sequence:
                branches.append(sequence)
        if len(branches) > 1:
            stages.append(parallel(*branches))
        elif branches:
            stages += branches[0]
    nodes = _renumbered(stages, nodes)
    if draw(st.booleans()) and len(nodes) < 12:
        nodes.append(Node("turn", nodes[-1].stage + 1, 0, False, 1, final=True))
        stages.append(make_step("turn", undo=False, attempts=1, pivot=True))
    undoes = draw(st.booleans()) and any(node.undoable for node in nodes)
    workflow = Workflow(
        f"test-drawn-{uuid4()}",
        version=1,
        input=Order,
        title="Drawn",
        steps=stages,
        on_failure="compensate" if undoes else "stop",
    )
    return workflow, Oracle(nodes, undoes=undoes, undo_attempts=conf().undo_attempts)


def _renumbered(stages: list[Any], nodes: list[Node]) -> list[Node]:
    """Steps that stand alone are stages of their own."""
    position = 0
    for number, stage in enumerate(stages):
        branches = stage.branches if hasattr(stage, "branches") else ((stage,),)
        for branch, sequence in enumerate(branches):
            for _ in sequence:
                nodes[position].stage, nodes[position].branch = number, branch
                position += 1
    return nodes


class Engine(RuleBasedStateMachine):
    """One run under every hand at once."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.owner, _ = User.objects.get_or_create(username="drawn")
        self.leases: dict[str, Lease] = {}
        self.zombies: list[Lease] = []
        self.failed_undo_round = 0
        self.told_count = 0

    def teardown(self) -> None:
        if hasattr(
            self, "run"
        ):  # a sweep takes up so many steps: those of hundreds of runs before would fill it
            self.run.delete()
        if hasattr(self, "workflow"):
            registry.forget(self.workflow)

    @initialize(drawn=plans())
    def begin(self, drawn: tuple[Workflow, Oracle]) -> None:
        self.workflow, self.oracle = drawn
        self.run = start(self.workflow, input={}, owner=self.owner, clock=self.clock)

    # --- workers ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.oracle.claimable())
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self._claim(data.draw(st.sampled_from(self.oracle.claimable())))

    @rule(data=st.data())
    def a_message_comes_twice_or_late(self, data: st.DataObject) -> None:
        self._claim(data.draw(st.sampled_from(self.oracle.nodes)))

    def _claim(self, node: Node) -> None:
        expected = node in self.oracle.claimable()
        lease = leases.acquire(self._row(node).id, holder="another-host:1:1", clock=self.clock, roll=ROLL)
        assert (lease is not None) == expected, f"{node.name} is {node.state}"
        if lease is not None:
            self.leases[node.name] = lease
            self.oracle.claim(node)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        node, lease = self._held(data)
        self._settle(lease, Succeeded(output=1))
        self.oracle.succeed(node)

    @precondition(lambda self: self.oracle.claimable())
    @rule(data=st.data(), count=st.integers(2, 12))
    def a_worker_goes_on(self, data: st.DataObject, count: int) -> None:
        """Several steps, or undos, one after the other: what is rare lies deep in a run, or behind its end."""
        for _ in range(count):
            if not self.oracle.claimable():
                return
            node = data.draw(st.sampled_from(self.oracle.claimable()))
            self._claim(node)
            self._settle(self.leases.pop(node.name), Succeeded(output=1))
            self.oracle.succeed(node)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), retryable=st.booleans())
    def fail(self, data: st.DataObject, retryable: bool) -> None:
        node, lease = self._held(data)
        self._settle(lease, Failed(error=ErrorInfo(code="drawn", detail="Drawn.", retryable=retryable)))
        self.oracle.fail(node, retryable=retryable)

    @precondition(lambda self: self.leases and self.oracle.state == "cancelling")
    @rule(data=st.data())
    def notice_the_cancellation(self, data: st.DataObject) -> None:
        node, lease = self._held(data)
        self._settle(lease, Stopped())
        self.oracle.fail(node, retryable=False)

    @precondition(lambda self: self.leases)
    @rule()
    def beat(self) -> None:
        assert leases.renew(list(self.leases.values()), clock=self.clock) == set()
        assert leases.renew(self.zombies, clock=self.clock) == {zombie.token for zombie in self.zombies}

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """A worker goes away; its lease runs out while the others renew theirs."""
        node, lease = self._held(data)
        self.zombies.append(lease)
        for _ in range(2):
            self.clock.moment += timedelta(seconds=16)
            leases.renew(list(self.leases.values()), clock=self.clock)
        self.oracle.fail(node, retryable=True, unsure=True)
        self._sweep_with_wakes(except_for=node)

    @precondition(lambda self: self.zombies)
    @rule(data=st.data(), succeeds=st.booleans())
    def a_zombie_settles(self, data: st.DataObject, succeeds: bool) -> None:
        zombie = data.draw(st.sampled_from(self.zombies))
        outcome = Succeeded(output=2) if succeeds else Stopped()
        with pytest.raises(LeaseLost):
            settling.settle(zombie, outcome, clock=self.clock, roll=ROLL)

    # --- time -------------------------------------------------------------------------------------------------

    @rule(seconds=st.integers(0, 9))
    def time_passes(self, seconds: int) -> None:
        """Longer than most back-offs, shorter than leases, which their workers renew."""
        self.clock.moment += timedelta(seconds=seconds)
        leases.renew(list(self.leases.values()), clock=self.clock)
        self._sweep_with_wakes()

    # --- verbs ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.oracle.can_cancel() and self.oracle.has_moved())
    @rule(undo=st.booleans())
    def cancel(self, undo: bool) -> None:
        if undo and self.oracle.is_past_return():
            self._refused(lambda: cancel(self.run.pk, by=self.owner, undo=undo, clock=self.clock))
            return
        cancel(self.run.pk, by=self.owner, undo=undo, clock=self.clock)
        self.oracle.cancel(undo=undo)

    @precondition(lambda self: self.oracle.can_retry())
    @rule()
    def retry(self) -> None:
        retry(self.run.pk, by=self.owner, clock=self.clock)
        self.oracle.retry()

    @precondition(lambda self: self.oracle.can_compensate())
    @rule()
    def compensate(self) -> None:
        compensate(self.run.pk, by=self.owner, clock=self.clock)
        self.oracle.compensate()

    @rule()
    def verbs_that_do_not_fit(self) -> None:
        for verb, fits in (
            (cancel, self.oracle.can_cancel()),
            (retry, self.oracle.can_retry()),
            (compensate, self.oracle.can_compensate()),
        ):
            if verb is cancel and self.oracle.was_cancelled():
                cancel(self.run.pk, by=self.owner, undo=True, clock=self.clock)  # the first word counts
            elif not fits:
                self._refused(lambda verb=verb: verb(self.run.pk, by=self.owner, clock=self.clock))

    # --- what must be true ------------------------------------------------------------------------------------

    @invariant()
    def the_rows_say_what_the_model_says(self) -> None:
        if not hasattr(self, "run"):
            return
        run = Run.objects.get(pk=self.run.pk)
        rows = {row.name: row for row in Step.objects.filter(run=run)}
        assert {name: row.state for name, row in rows.items()} == {
            node.name: node.state for node in self.oracle.nodes
        }
        assert run.state == self.oracle.state
        assert {name: row.attempt_count for name, row in rows.items()} == {
            node.name: node.total for node in self.oracle.nodes
        }
        held = {name for name, row in rows.items() if row.lease_token is not None}
        assert held == set(self.leases)

    @invariant()
    def no_rule_is_broken(self) -> None:
        if not hasattr(self, "run"):
            return
        told = list(Entry.objects.filter(stream_id=self.run.pk).values_list("type", flat=True))
        assert sum(TYPES[kind].ENDS_ROUND for kind in told) == self.oracle.ends
        if len(told) != self.told_count:  # many acts change nothing, and looking takes longer than they do
            assert faults_of(self.run) == []
            self.told_count = len(told)

    # --- hands ------------------------------------------------------------------------------------------------

    def _row(self, node: Node) -> Step:
        return Step.objects.get(run=self.run, name=node.name)

    def _held(self, data: st.DataObject) -> tuple[Node, Lease]:
        name = data.draw(st.sampled_from(sorted(self.leases)))
        node = next(node for node in self.oracle.nodes if node.name == name)
        return node, self.leases.pop(name)

    def _settle(self, lease: Lease, outcome: Any) -> None:
        settling.settle(lease, outcome, clock=self.clock, roll=ROLL)
        self.zombies.append(lease)
        with pytest.raises(LeaseLost):  # the answer was lost, so its worker settles again
            settling.settle(lease, outcome, clock=self.clock, roll=ROLL)

    def _sweep_with_wakes(self, *, except_for: Node | None = None) -> None:
        """Whoever's back-off is over by the row's own time wakes; of whose, the rows say."""
        due = set(
            Step.objects.filter(run=self.run, due_at__lte=self.clock.now(), lease_token=None).values_list(
                "name", flat=True
            )
        )
        sweep(clock=self.clock, roll=lambda: ROLL)
        for node in self.oracle.nodes:
            if node.name in due and node is not except_for:
                self.oracle.wake(node)

    def _refused(self, act: Callable[[], object]) -> None:
        before = Entry.objects.filter(stream_id=self.run.pk).count()
        with pytest.raises(InvalidTransition):
            act()
        assert Entry.objects.filter(stream_id=self.run.pk).count() == before


def test_every_interleaving_comes_to_what_the_model_says(db: None, settings: Any) -> None:
    # Time is not in the model: a step of a cancelled run ends when its worker says so, or vanishes.
    settings.LONGHAUL = {**settings.LONGHAUL, "CANCEL_GRACE_SECONDS": 1e6}
    play(Engine)
