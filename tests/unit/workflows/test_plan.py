import itertools
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from tests.flows import ordering
from workflows.engine.compensation import next_to_undo, to_undo
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
    position: int,
    *,
    state: str,
    stage: int | None = None,
    branch: int = 0,
    undo: bool = True,
    unknown: bool = False,
) -> SimpleNamespace:
    return SimpleNamespace(
        position=position,
        stage=position if stage is None else stage,
        branch=branch,
        state=state,
        has_undo=undo,
        may_have_effect=state == "completed" or unknown,
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
        view(2, state="completed", stage=1, branch=1),
    ]
    assert next_to_undo(views) == [1, 2]
    half = [
        views[0],
        view(1, state="compensated", stage=1),
        view(2, state="compensating", stage=1, branch=1),
    ]
    assert next_to_undo(half) == []
    done = [views[0], view(1, state="compensated", stage=1), view(2, state="compensated", stage=1, branch=1)]
    assert next_to_undo(done) == [0]


def test_a_branch_is_undone_from_its_end_while_its_sibling_is_at_work():
    views = [
        view(0, state="completed", stage=0),
        view(1, state="completed", stage=0),
        view(2, state="completed", stage=0, branch=1),
    ]
    assert next_to_undo(views) == [1, 2]
    views[1].state, views[2].state = "compensated", "compensating"
    views[1].may_have_effect = False
    assert next_to_undo(views) == [0]


def test_an_undo_that_failed_holds_back_its_branch_and_the_stages_before_but_no_branch_beside_it():
    views = [
        view(0, state="completed"),
        view(1, state="completed", stage=1),
        view(2, state="compensation_failed", stage=1),
        view(3, state="completed", stage=1, branch=1),
    ]
    assert next_to_undo(views) == [3]
    views[3].state, views[3].may_have_effect = "compensated", False
    assert next_to_undo(views) == []


def test_a_step_that_is_to_be_done_again_or_was_skipped_is_undone_for_what_it_did_before():
    for state in ("pending", "skipped", "cancelled"):
        assert to_undo([view(0, state=state)]) == []
        assert to_undo([view(0, state=state, unknown=True)]) == [0]


@st.composite
def ended_plans(draw: st.DrawFn) -> list[SimpleNamespace]:
    """Up to 12 steps in stages of up to three branches, each as a run at rest may leave it."""
    views: list[SimpleNamespace] = []
    stage = 0
    while len(views) < draw(st.integers(0, 12)):
        for branch in range(draw(st.integers(1, 3))):
            for _ in range(draw(st.integers(1, 3))):
                views.append(
                    view(
                        len(views),
                        state=draw(
                            st.sampled_from(["completed", "failed", "pending", "cancelled", "skipped"])
                        ),
                        stage=stage,
                        branch=branch,
                        undo=draw(st.booleans()),
                        unknown=draw(st.booleans()),
                    )
                )
        stage += 1
    return views


@given(ended_plans(), st.randoms(use_true_random=False))
def test_on_any_plan_undo_goes_down_stage_by_stage_and_each_branch_from_its_end(views, random):
    wanted = to_undo(views)
    order: list[int] = []
    at_work: list[int] = []
    while True:
        at_work += (opened := next_to_undo(views))
        for position in opened:
            views[position].state = "compensating"
        if not at_work:
            break
        assert len({views[position].stage for position in at_work}) == 1, "two stages are undone at once"
        assert len({views[position].branch for position in at_work}) == len(at_work)
        ended = at_work.pop(random.randrange(len(at_work)))
        views[ended].state, views[ended].may_have_effect = "compensated", False
        order.append(ended)
    assert sorted(order) == sorted(wanted), "each step that needs it is undone once"
    for one, other in itertools.pairwise(order):
        assert views[one].stage >= views[other].stage
        if (views[one].stage, views[one].branch) == (views[other].stage, views[other].branch):
            assert one > other
