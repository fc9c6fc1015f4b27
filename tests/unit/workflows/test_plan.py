from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from tests.flows import ordering
from workflows.engine.compensation import UndoView, next_to_undo, to_undo
from workflows.engine.plan import Plan, freeze, openable, segment


def steps(*described: tuple[int, int, str]) -> list[SimpleNamespace]:
    """Steps from (stage, branch, state)."""
    return [
        SimpleNamespace(position=position, stage=stage, branch=branch, state=state)
        for position, (stage, branch, state) in enumerate(described)
    ]


def plan_of(*places: tuple[int, int]) -> Plan:
    """A plan whose steps stand at (stage, branch)."""
    model = freeze(ordering).steps[0]
    planned = [
        type(model)(
            **{**vars(model), "position": position, "stage": stage, "branch": branch, "name": f"s{position}"}
        )
        for position, (stage, branch) in enumerate(places)
    ]
    return Plan(on_failure="stop", steps=tuple(planned))


def test_a_plan_survives_its_row_with_the_same_fingerprint():
    plan = freeze(ordering)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.fingerprint() == plan.fingerprint()


def test_the_first_step_opens_first():
    assert openable(steps((0, 0, "pending"), (1, 0, "pending"))) == [0]


def test_the_next_step_opens_when_the_one_before_is_completed_or_skipped():
    assert openable(steps((0, 0, "completed"), (1, 0, "pending"))) == [1]
    assert openable(steps((0, 0, "skipped"), (1, 0, "pending"))) == [1]


def test_nothing_opens_behind_a_step_that_is_at_work_or_failed():
    for state in ("ready", "running", "retrying", "failed"):
        assert openable(steps((0, 0, state), (1, 0, "pending"))) == []


def test_branches_of_a_stage_open_together_and_the_next_stage_waits_for_all():
    forked = steps(
        (0, 0, "completed"), (1, 0, "pending"), (1, 1, "pending"), (1, 1, "pending"), (2, 0, "pending")
    )
    assert openable(forked) == [1, 2]
    forked[1].state = forked[2].state = "completed"
    assert openable(forked) == [3]
    forked[3].state = "completed"
    assert openable(forked) == [4]


def test_a_finished_run_opens_nothing():
    assert openable(steps((0, 0, "completed"))) == []


def test_a_chain_carries_sequential_steps_up_to_its_limit():
    plan = plan_of((0, 0), (1, 0), (2, 0), (3, 0))
    assert segment(plan, 0, limit=16) == [0, 1, 2, 3]
    assert segment(plan, 1, limit=2) == [1, 2]


def test_a_chain_ends_before_a_fork_and_at_the_end_of_a_branch():
    plan = plan_of((0, 0), (1, 0), (1, 1), (1, 1), (2, 0), (3, 0))
    assert segment(plan, 0, limit=16) == [0]
    assert segment(plan, 1, limit=16) == [1]
    assert segment(plan, 2, limit=16) == [2, 3]
    assert segment(plan, 4, limit=16) == [4, 5]


def view(
    position: int, *, state: str, stage: int | None = None, undo: bool = True, unknown: bool = False
) -> UndoView:
    return UndoView(
        position=position,
        stage=position if stage is None else stage,
        state=state,
        has_undo=undo,
        outcome_unknown=unknown,
    )


def test_completed_steps_are_undone_newest_first():
    assert to_undo([view(0, state="completed"), view(1, state="completed"), view(2, state="pending")]) == [
        1,
        0,
    ]


def test_a_step_without_a_compensation_is_passed_over():
    assert to_undo([view(0, state="completed"), view(1, state="completed", undo=False)]) == [0]


def test_a_failed_step_is_undone_only_when_nobody_knows_whether_it_had_its_effect():
    assert to_undo([view(0, state="failed")]) == []
    assert to_undo([view(0, state="failed", unknown=True)]) == [0]


def test_siblings_are_undone_together_and_older_stages_wait_for_them():
    views = [
        view(0, state="completed"),
        view(1, state="completed", stage=1),
        view(2, state="completed", stage=1),
    ]
    assert next_to_undo(views) == [1, 2]
    half = [views[0], view(1, state="compensated", stage=1), view(2, state="compensating", stage=1)]
    assert next_to_undo(half) == []
    done = [views[0], view(1, state="compensated", stage=1), view(2, state="compensated", stage=1)]
    assert next_to_undo(done) == [0]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["completed", "failed", "pending"]), st.booleans()),
        max_size=12,
    )
)
def test_on_any_plan_undo_goes_down_through_the_stages_and_reaches_every_step_once(described):
    stage, views = 0, []
    for position, (jump, state, undo) in enumerate(described):
        stage += min(jump, 1)
        views.append(view(position, state=state, stage=stage, undo=undo))
    order: list[int] = []
    while chosen := next_to_undo(views):
        assert len({views[position].stage for position in chosen}) == 1
        order += chosen
        views = [
            view(v.position, state="compensated", stage=v.stage) if v.position in chosen else v for v in views
        ]
    assert order == to_undo(
        [
            view(v.position, state=described[v.position][1], stage=v.stage, undo=described[v.position][2])
            for v in views
        ]
    )
    stages = [views[position].stage for position in order]
    assert stages == sorted(stages, reverse=True)
    assert len(order) == len(set(order))
