"""Schedules in the admin: what cannot start its run is refused when it is saved, with the way out."""

import html
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from tests.flows import ordering
from workflows.admin.schedules import EXAMPLE
from workflows.models import Run
from workflows.services.scheduling import TASK

pytestmark = pytest.mark.django_db

LIST = "/admin/django_celery_beat/periodictask/"


@pytest.fixture
def nine(db) -> CrontabSchedule:
    return CrontabSchedule.objects.create(minute="0", hour="9")


@pytest.fixture
def save(admin, nine, owner):
    """Fill in the form of a new schedule; returns the faults by field, none when it was saved."""

    def post(client=admin, address=f"{LIST}add/", **fields):
        response = client.post(address, form(crontab=nine.pk) | fields)
        return {} if response.status_code == 302 else response.context["adminform"].form.errors

    return post


def form(**fields):
    return {
        "name": "nightly orders",
        "regtask": TASK,
        "enabled": "on",
        "args": "[]",
        "kwargs": arguments(),
        "headers": "{}",
        **fields,
    }


def arguments(**fields):
    return json.dumps({"workflow": ordering.name, "input": {"name": "a shelf"}, "owner": "anna", **fields})


def make_task(crontab, **fields):
    return PeriodicTask.objects.create(
        name="nightly orders", task=TASK, crontab=crontab, kwargs=arguments(), **fields
    )


def test_a_schedule_is_saved_and_told_in_the_list(save, admin):
    assert save() == {}

    page = admin.get(LIST).content.decode()
    assert "test-ordering as anna" in page
    assert "09:00:00" in page


def test_the_example_of_the_form_and_that_of_the_guide_can_be_saved_as_they_are(save, admin):
    assert EXAMPLE in html.unescape(admin.get(f"{LIST}add/").content.decode())
    assert save(kwargs=EXAMPLE) == {}
    (block,) = re.findall(r"```json\n(.*?)```", Path("docs/schedules.md").read_text(), re.DOTALL)
    assert save(name="nightly", kwargs=block) == {}


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        (arguments(workflow="ordring"), "known are"),
        (arguments(version=9), "has no version 9"),
        (arguments(input={"undo_fails": "often"}), "/input/undo_fails: "),
        (arguments(owner="nobody"), "/owner: there is no active user"),
        (arguments(catch_up="all"), "/catch_up: "),
        (arguments(color="red"), "/color: "),
        (arguments(unique_key=""), "/unique_key: "),
        ("{}", "/workflow: "),
        ("[1]", "JSON object"),
        ("{", "Unable to parse JSON"),
    ],
)
def test_arguments_that_start_nothing_are_refused(save, kwargs, told):
    faults = save(kwargs=kwargs)

    assert told in str(faults["kwargs"])
    assert not PeriodicTask.objects.exists()


def test_timings_that_start_nothing_are_refused(save, nine):
    often = IntervalSchedule.objects.create(every=10, period="microseconds")
    never = CrontabSchedule.objects.create(day_of_month="30", month_of_year="2")
    over = ClockedSchedule.objects.create(clocked_time=timezone.now() - timedelta(days=1))

    assert "every second" in str(save(crontab="", interval=often.pk))
    assert "never occurs" in str(save(crontab=never.pk))
    assert "is over" in str(save(crontab="", clocked=over.pk, one_off="on"))
    assert "must be set" in str(save(crontab=""))
    for days, told in ((900_000_001, "never comes"), (2_000_000_000, "too long")):
        endless = IntervalSchedule.objects.create(every=days, period="days")
        assert told in str(save(crontab="", interval=endless.pk))


def test_the_list_shows_rows_whose_moments_no_calendar_has(admin, nine):
    for number, days in enumerate((900_000_001, 2_000_000_000)):
        endless = IntervalSchedule.objects.create(every=days, period="days")
        PeriodicTask.objects.create(name=f"endless {number}", task=TASK, interval=endless, kwargs=arguments())
    last = datetime(9999, 12, 31, 12, tzinfo=UTC)
    make_task(nine, start_time=last)

    page = admin.get(LIST)

    assert page.status_code == 200
    assert "too long" in page.content.decode()


def test_what_other_tasks_are_given_is_not_judged(save):
    assert save(regtask="outbox.relay", kwargs='{"pages": 3}', args="[1]") == {}


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("kwargs", '["a"]', "JSON object"),
        ("kwargs", "null", "JSON object"),
        ("args", '{"a": 1}', "JSON list"),
        ("args", '"abc"', "JSON list"),
        ("kwargs", "[" * 100_000, "Unable to parse JSON"),
        ("args", f"[{'9' * 5_000}]", "Unable to parse JSON"),
        ("kwargs", '{"__type__": "uuid", "__value__": 1}', "Unable to parse JSON"),
        ("kwargs", '{"__type__": "decimal", "__value__": "3"}', "JSON object"),
    ],
)
@pytest.mark.parametrize("task", [TASK, "outbox.relay"])
def test_arguments_that_celery_cannot_pass_on_are_refused_for_every_task(save, task, field, text, told):
    assert told in str(save(regtask=task, **{field: text})[field])
    assert not PeriodicTask.objects.exists()


def test_starting_runs_as_somebody_takes_the_permission_to(save, nine, owner):
    clerk = User.objects.create_user("clara", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="django_celery_beat"))
    client = Client()
    client.force_login(clerk)

    assert "workflows.start_run" in str(save(client)["task"])
    task = make_task(nine)
    client.post(LIST, {"action": "run_tasks", "_selected_action": [task.pk]})
    assert not Run.objects.exists()

    clerk.user_permissions.add(Permission.objects.get(codename="start_run"))
    assert save(client, f"{LIST}{task.pk}/change/") == {}


def test_who_may_only_look_has_no_actions(nine, looking, viewer):
    viewer.user_permissions.add(Permission.objects.get(codename="view_periodictask"))
    task = make_task(nine)

    assert looking.get(LIST).status_code == 200
    for action in ("run_tasks", "disable_tasks"):
        looking.post(LIST, {"action": action, "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert task.enabled
    assert not Run.objects.exists()


def test_with_another_timing_a_schedule_counts_from_now(save, nine):
    day = timedelta(days=1)
    task = make_task(nine, last_run_at=timezone.now() - 2 * day)
    address = f"{LIST}{task.pk}/change/"

    save(address=address, description="the same timing")
    task.refresh_from_db()
    assert task.last_run_at < timezone.now() - day

    save(address=address, crontab=CrontabSchedule.objects.create(minute="5").pk)
    task.refresh_from_db()
    assert task.last_run_at > timezone.now() - day


def test_what_was_disabled_counts_from_now_when_it_is_enabled(admin, nine):
    task = make_task(nine, last_run_at=timezone.now() - timedelta(days=9))
    for action in ("disable_tasks", "enable_tasks"):
        admin.post(LIST, {"action": action, "_selected_action": [task.pk]})

    task.refresh_from_db()
    assert task.enabled
    assert task.last_run_at > timezone.now() - timedelta(minutes=5)


def test_a_run_is_started_at_once_by_hand(admin, nine, owner):
    task = make_task(nine)

    page = admin.post(LIST, {"action": "run_tasks", "_selected_action": [task.pk]}, follow=True)

    assert str(Run.objects.get().pk) in page.content.decode()
    task.refresh_from_db()
    assert task.last_run_at is None


def test_by_hand_too_a_fault_is_told(admin, nine, owner):
    task = make_task(nine)
    owner.is_active = False
    owner.save()

    page = admin.post(LIST, {"action": "run_tasks", "_selected_action": [task.pk]}, follow=True)

    assert "no active user" in page.content.decode()
    assert not Run.objects.exists()
