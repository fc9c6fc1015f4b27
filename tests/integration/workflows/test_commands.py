"""`manage.py runs` and `manage.py flows`."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command

from tests.factories import make_run
from tests.flows import asking
from workflows.models import AuditEntry, Run, Step
from workflows.services import start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FAILED = StepState.COMPLETED, StepState.FAILED


def call(*args: str) -> str:
    said = StringIO()
    call_command(*args, stdout=said)
    return said.getvalue()


@pytest.fixture
def failed(owner) -> Run:
    return make_run(owner, state=RunState.FAILED, steps=(DONE, DONE, FAILED))


def test_runs_are_listed_and_shown(failed, owner):
    other = make_run(owner)
    assert str(failed.pk) in call("runs", "list")
    assert str(other.pk) not in call("runs", "list", "--state", "failed")
    shown = call("runs", "show", str(failed.pk))
    assert "charge" in shown
    assert "can: retry, rerun, skip, compensate, erase" in shown
    assert '"state": "failed"' in call("runs", "show", str(failed.pk)[-12:], "--json")


def test_each_verb_does_what_it_says_in_the_name_of_the_only_superuser(
    failed, owner, operator, engine, redis_client
):
    assert "is running" in call("runs", "retry", str(failed.pk), "--reason", "mended")
    assert AuditEntry.objects.get().actor == operator
    assert "is cancelled" in call("runs", "cancel", str(failed.pk), "--keep")
    child = call("runs", "rerun", str(failed.pk), "--from-step", "charge", "--input", '{"name": "a chair"}')
    assert Run.objects.get(parent=failed).title == "Order of a chair"
    assert str(failed.pk) not in child
    assert "is compensating" in call("runs", "compensate", str(failed.pk))
    engine.finish(failed)
    assert "erased" in call("runs", "erase", str(failed.pk))
    assert not Run.objects.filter(pk=failed.pk).exists()


def test_steps_are_skipped_and_answered(failed, owner, operator, engine):
    assert "is completed" in call(
        "runs", "skip", str(failed.pk), "charge", "--output", '"paid"', "--reason", "cash"
    )
    run = start(asking, input={}, owner=owner, clock=engine.clock)
    engine.drive(run)
    assert "is running" in call("runs", "signal", str(run.pk), "approval", '{"approved": true}')


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("cancel", "{run}"), "cancel was refused: a run that is failed cannot cancel: it can retry or"),
        (("skip", "{run}", "charge"), "skipping a step takes a reason"),
        (("retry", "{run}", "--from-step", "pay"), "no step 'pay'"),
        (("rerun", "{run}", "--input", "{broken"), "is no JSON"),
        (("retry", "{run}", "--by", "nobody"), "there is no user 'nobody'"),
        (("retry", "00000000-0000-0000-0000-000000000000"), "no run"),
        (("retry", "{run}", "--by", "\udcff"), "is no UTF-8 text"),
        (("retry", "\udcff" * 8), "is no UTF-8 text"),
        (("list", "--workflow", "\udcff"), "is no UTF-8 text"),
        (("list", "--state", "nope"), "invalid choice: 'nope'.*compensation_failed"),
        (("list", "--limit", "-1"), "from 1 to 1000"),
        (("list", "--limit", "9" * 30), "from 1 to 1000"),
        (("start", "test-nothing"), "no workflow"),
        (("start", "test-ordering", "--input", "[]"), "the input does not fit test-ordering"),
        (("start", "test-ordering", "--input", '{"undo_fails": "x"}'), "test-ordering: /undo_fails: Input"),
        (("start", "test-ordering", "--input", '{"name": 1, "error": 2}'), r"/name: Input .* \(and 1 more\)"),
        (("start", "test-ordering", "--input", "NaN"), "is no JSON"),
        (("start", "test-ordering", "--input", "[" * 100_000), "is no JSON"),
        (("start", "test-ordering", "--input", "@no-such-file"), "'no-such-file' cannot be read"),
        (("start", "test-ordering", "--key", "x" * 300), "text of 1 to"),
        (("start", "document-analysis"), "has a door of its own"),
    ],
)
def test_a_refusal_says_why_and_fails(failed, operator, arguments, why):
    with pytest.raises(CommandError, match=why):
        call("runs", *(argument.replace("{run}", str(failed.pk)) for argument in arguments))


def test_a_verb_takes_the_rights_of_who_is_named(failed, owner, stranger, operator):
    for by, why in (
        (stranger, "bert may not see run .*: name its owner, anna, or staff with --by"),
        (owner, "anna lacks the permission workflows.retry_run: give it in the admin"),
    ):
        with pytest.raises(CommandError, match=why):
            call("runs", "retry", str(failed.pk), "--by", by.username)
    with pytest.raises(CommandError, match=r"anna lacks the permission workflows\.start_run"):
        call("runs", "start", "test-ordering", "--by", "anna")
    assert not AuditEntry.objects.exists()
    owner.user_permissions.add(Permission.objects.get(codename="retry_run"))
    call("runs", "retry", str(failed.pk), "--by", "anna")
    assert AuditEntry.objects.get().actor == owner


def test_a_run_is_started_once_under_its_key(operator, tmp_path):
    file = tmp_path / "input.json"
    file.write_text('{"name": "a chair"}')
    command = ("runs", "start", "test-ordering", "--input", f"@{file}", "--key", "k-1", "--unique-key", "u-1")
    first = call(*command)
    assert "is pending" in first
    assert call(*command) == first
    run = Run.objects.get()
    assert (run.owner, run.title, run.unique_key) == (operator, "Order of a chair", "u-1")
    with pytest.raises(CommandError, match="the idempotency key 'k-1' came before with another request"):
        call("runs", "start", "test-ordering", "--key", "k-1")
    with pytest.raises(CommandError, match="has the unique key"):
        call("runs", "start", "test-ordering", "--unique-key", "u-1")


def test_with_two_superusers_it_is_to_be_said_who_acts(failed, operator, django_user_model):
    django_user_model.objects.create_superuser("otto")
    with pytest.raises(CommandError, match="say who acts"):
        call("runs", "retry", str(failed.pk))


def test_a_deploy_that_would_strand_live_runs_is_refused(owner):
    assert "test-ordering [1]: reserve, list_parts, charge" in call("flows")
    run = make_run(owner, steps=(DONE,))
    assert "live runs have all the code" in call("flows", "check", "--live")
    Step.objects.filter(run=run, name="charge").update(name="pay")
    with pytest.raises(CommandError, match="keep the old version"):
        call("flows", "check", "--live")
    Run.objects.filter(pk=run.pk).update(version=7)
    said = StringIO()
    with pytest.raises(CommandError):
        call_command("flows", "check", "--live", stdout=said)
    assert "test-ordering version 7: the whole version is missing, 1 live runs need it" in said.getvalue()


def test_ended_runs_need_no_code(owner):
    run = make_run(owner, state=RunState.COMPLETED, steps=(DONE, DONE, DONE))
    Run.objects.filter(pk=run.pk).update(version=7)
    assert "live runs have all the code" in call("flows", "check", "--live")
