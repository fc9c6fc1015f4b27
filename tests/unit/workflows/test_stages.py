"""What may stand where in a workflow, and what is refused at import with the mend in the message."""

from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from workflows.definitions import Step, Workflow, fan_out, parallel, registry, step, wait_for
from workflows.engine.plan import Plan, and_after, freeze
from workflows.errors import DefinitionError


class Nothing(BaseModel): ...


class Note(BaseModel):
    text: str


def named(name: str, *, undo: bool = False, **options: Any) -> Step[Any]:
    def handler(ctx) -> list[int]:
        return []

    handler.__name__ = name
    declared = step(title=name, **options)(handler)
    if undo:
        declared.undo(lambda ctx, output: None)
    return declared


def workflow(*steps: Any, **options: Any) -> Workflow:
    made = Workflow(f"test-{uuid4()}", version=1, input=Nothing, title="x", steps=steps, **options)
    registry.forget(made)
    return made


def refused(*steps: Any, **options: Any) -> str:
    with pytest.raises(DefinitionError) as error:
        workflow(*steps, **options)
    return str(error.value)


def test_branches_are_frozen_side_by_side_and_the_next_stage_follows_them():
    a, b, c, d, e = (named(name) for name in "abcde")
    plan = freeze(workflow(a, parallel(b, [c, d]), e))
    assert [(one.name, one.stage, one.branch) for one in plan.steps] == [
        ("a", 0, 0),
        ("b", 1, 0),
        ("c", 1, 1),
        ("d", 1, 1),
        ("e", 2, 0),
    ]


def test_a_plan_of_all_kinds_survives_its_row():
    a, b = named("a"), named("b")
    plan = freeze(
        workflow(
            a,
            wait_for("approval", schema=Note, timeout=60),
            fan_out(b, over=a),
            deadline=600,
            retry_budget=5,
        )
    )
    assert [one.kind for one in plan.steps] == ["step", "wait", "fan_out"]
    assert plan.steps[2].over == "a"
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.fingerprint() == plan.fingerprint()


def test_what_comes_after_a_step_is_the_rest_of_its_branch_and_all_later_stages():
    a, b, c, d, e = (named(name) for name in "abcde")
    plan = freeze(workflow(a, parallel(b, [c, d]), e))
    assert and_after(plan, 2) == [2, 3, 4]
    assert and_after(plan, 1) == [1, 4]
    assert and_after(plan, 0) == [0, 1, 2, 3, 4]


def test_a_parallel_stage_takes_two_branches_of_steps():
    with pytest.raises(DefinitionError, match="two branches or more"):
        parallel(named("a"))
    with pytest.raises(DefinitionError, match="is no step"):
        parallel(named("a"), 7)
    with pytest.raises(DefinitionError, match="is not a step"):
        parallel(named("a"), [named("b"), 7])


def test_a_fan_out_stands_after_a_step_that_gives_items():
    a, b = named("a"), named("b")

    @step(title="One")
    def one(ctx) -> int:
        return 1

    with pytest.raises(DefinitionError, match="neither streams items nor returns a list"):
        fan_out(a, over=one)
    assert "must come before" in refused(fan_out(b, over=a), a)
    assert "must come before" in refused(parallel(a, fan_out(b, over=a)))
    workflow(parallel([a, fan_out(b, over=a)], named("c")))


def test_a_part_of_a_fan_out_returns():
    @step(title="Listing", items=Note)
    def list_notes(ctx) -> Generator[Note, None, None]:
        yield Note(text="x")

    with pytest.raises(DefinitionError, match="does not yield"):
        fan_out(list_notes, over=named("a"))
    workflow(list_notes, fan_out(named("b"), over=list_notes))


def test_a_fan_out_over_a_fan_out_is_gathered_between():
    a, b, c = named("a"), named("b"), named("c")
    assert "gather its results" in refused(a, fan_out(b, over=a), fan_out(c, over=b))


def test_a_wait_has_a_name_and_an_end():
    with pytest.raises(DefinitionError, match="above 0"):
        wait_for("approval", timeout=0)
    with pytest.raises(DefinitionError, match="letters, digits"):
        wait_for("an approval", timeout=1)
    with pytest.raises(DefinitionError, match="'fail' or 'continue'"):
        wait_for("approval", timeout=1, on_timeout="explode")


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([named("a", pivot=True), named("b", undo=True)], "must not be given up"),
        ([named("a", pivot=True), named("b")], "must not be given up"),
        ([named("a", retry_only=True), named("b", undo=True)], "must not be given up"),
        ([named("a", undo=True), named("b", pivot=True), named("c", pivot=True)], "must not be given up"),
        ([parallel(named("a", pivot=True), named("b"))], "stands alone"),
        ([parallel(named("a", retry_only=True), named("b", undo=True))], "must not be given up"),
        (
            [parallel([named("a", retry_only=True), named("b", undo=True)], named("c"))],
            "must not be given up",
        ),
    ],
)
def test_an_order_that_could_not_be_undone_is_refused(steps, why):
    assert why in refused(*steps)


@pytest.mark.parametrize(
    "steps",
    [
        [named("a", pivot=True), wait_for("approval", timeout=60), named("b", retry_only=True)],
        [named("a", retry_only=True), wait_for("approval", timeout=60)],
        [parallel(named("a", retry_only=True), wait_for("approval", timeout=60))],
    ],
)
def test_a_wait_that_fails_when_nobody_answers_has_no_place_after_the_pivot(steps):
    why = refused(*steps)
    assert "approval comes after or beside a" in why
    assert "on_timeout='continue'" in why


def test_a_wait_may_fail_before_the_pivot_and_go_on_after_it():
    workflow(
        wait_for("approval", timeout=60),
        named("a", pivot=True),
        wait_for("pause", timeout=60, on_timeout="continue"),
        named("b", retry_only=True),
    )


def test_undoable_steps_then_a_pivot_then_retry_only_ones_are_a_saga():
    workflow(
        named("a", undo=True),
        named("b", pivot=True),
        parallel(named("c", retry_only=True), named("d", retry_only=True)),
        on_failure="compensate",
    )


def test_what_is_never_undone_declares_no_undo():
    with pytest.raises(DefinitionError, match="never undone"):
        named("a", undo=True, pivot=True)
    with pytest.raises(DefinitionError, match="choose"):
        named("a", pivot=True, retry_only=True)


def test_limits_of_a_workflow_make_sense():
    assert "above 0" in refused(named("a"), deadline=0)
    assert "0 or more" in refused(named("a"), retry_budget=-1)
    for deadline in (0, 1e15, float("nan")):
        assert "deadline" in refused(named("a"), deadline=deadline)
    assert "'stop' or 'compensate'" in refused(named("a"), on_failure="explode")
