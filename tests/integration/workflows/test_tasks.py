"""The Celery shell: what a message comes to, and what it does to its chain."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from tests.flows import ledger, ordering
from workflows import services, tasks
from workflows.errors import AttemptFailed
from workflows.models import Run, Step
from workflows.services import settling
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """Lengths of the chains that a task sent."""
    lengths: list[int] = []
    monkeypatch.setattr("workflows.services.resend.send", lambda links: lengths.append(len(links)))
    ledger.clear()
    return lengths


def deliver(step_id, *, chain=("the next link",)) -> SimpleNamespace:
    """What a worker does with one message; returns its request as the task left it."""
    request = SimpleNamespace(chain=list(chain))
    tasks.run_step.run.__func__(SimpleNamespace(request=request), str(step_id))
    return request


def step_of(run: Run, name: str) -> Step:
    return run.steps.get(name=name)


def test_a_message_that_finds_nothing_to_do_ends_its_chain(owner, sent):
    assert deliver(uuid4()).chain is None


def test_a_step_that_succeeds_lets_its_chain_go_on_and_sends_nothing(owner, sent):
    run = services.start(ordering, input={}, owner=owner)
    request = deliver(step_of(run, "reserve").id)
    assert request.chain == ["the next link"]
    assert sent == []
    assert step_of(run, "list_parts").state == StepState.READY


def test_a_step_that_was_sent_alone_sends_what_it_opened(owner, sent):
    run = services.start(ordering, input={}, owner=owner)
    deliver(step_of(run, "reserve").id, chain=())
    assert sent == [2]


def test_a_failed_attempt_raises_after_it_was_settled(owner, sent):
    run = services.start(ordering, input={"fails_at": "reserve", "error": "fatal"}, owner=owner)
    with pytest.raises(AttemptFailed, match="out-of-stock"):
        deliver(step_of(run, "reserve").id)
    assert Run.objects.get().state == RunState.FAILED


def test_a_worker_that_lost_its_lease_ends_its_chain_and_writes_nothing(owner, sent, monkeypatch):
    run = services.start(ordering, input={}, owner=owner)
    settle = settling._settle

    def give_the_lease_away_first(*args, **options):
        Step.objects.filter(name="reserve").update(lease_token=uuid4())
        return settle(*args, **options)

    monkeypatch.setattr(settling, "_settle", give_the_lease_away_first)
    assert deliver(step_of(run, "reserve").id).chain is None
    assert step_of(run, "reserve").state == StepState.RUNNING


def test_a_whole_run_by_messages_alone(owner, sent):
    run = services.start(ordering, input={}, owner=owner)
    for name in ("reserve", "list_parts", "charge"):
        deliver(step_of(run, name).id)
        deliver(step_of(run, name).id)  # each message twice
    assert Run.objects.get().state == RunState.COMPLETED
    assert [step for step, _ in ledger] == ["reserve", "list_parts", "charge"]
