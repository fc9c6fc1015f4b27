"""The lists: what they say, how they are searched, and that none of them reads a table to its end."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from outbox.append import append
from outbox.models import Stream
from tests.factories import make_run, messages
from tests.integration.workflows.admin.scenes import FAILED, LIST, page_of
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db


def test_the_list_says_what_failed_where_and_after_how_many_attempts(admin, owner):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    run.steps.filter(name="charge").update(attempt_count=2, max_attempts=2)
    text = admin.get(LIST).content.decode()
    for said in ("Order of a lamp", "anna", "failed at Charging", "The shop is closed.", "attempt 2 of 2"):
        assert said in text
    assert "2 of 3 steps" in text
    assert 'href="#icon-failed"' in text


def test_the_list_shows_progress_in_the_unit_of_the_step_at_work(admin, owner):
    run = make_run(owner, steps=(StepState.COMPLETED, StepState.RUNNING))
    run.steps.filter(name="list_parts").update(
        progress={"done": 13.0, "total": 19, "unit": "parts"},
        state_info={"template": "Looking at {n}", "params": {"n": 13}},
    )
    text = admin.get(LIST).content.decode()
    assert "13 of 19 parts" in text
    assert "Looking at 13" in text


def test_the_list_reads_the_same_number_of_queries_for_any_number_of_runs(admin, owner):
    def queries() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin.get(LIST).status_code == 200
        return [query["sql"] for query in captured]

    make_run(owner, state=RunState.FAILED, steps=FAILED)
    few = queries()
    for _ in range(70):
        make_run(owner, steps=(StepState.COMPLETED, StepState.RUNNING))
    many = queries()
    assert len(many) == len(few)
    assert not [sql for sql in many if '"workflows_run"."input"' in sql or '"workflows_step"."output"' in sql]
    assert all("LIMIT" in sql for sql in many if "COUNT" in sql)


def test_a_count_stops_at_its_limit_and_says_so(admin, owner, settings):
    settings.LONGHAUL = {"ADMIN_COUNT_MAX": 2}
    for _ in range(4):
        make_run(owner)
    assert "2\nor more runs" in admin.get(LIST).content.decode()


def test_the_list_is_sorted_by_nothing_that_has_no_index(admin, owner):
    make_run(owner)
    with CaptureQueriesContext(connection) as captured:
        admin.get(LIST, {"o": "1.2.3"})
    rows = [
        query["sql"]
        for query in captured
        if 'FROM "workflows_run"' in query["sql"] and "ORDER BY" in query["sql"]
    ]
    assert all(
        'ORDER BY "workflows_run"."created_at" DESC' in sql or '"workflows_run"."id" DESC' in sql
        for sql in rows
    )
    assert not any('ORDER BY "workflows_run"."title"' in sql for sql in rows)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state__exact": "failed"}, ["Broken"]),
        ({"workflow": "test-ordering"}, ["Stuck", "Moving", "Broken"]),
        ({"workflow": "another"}, []),
        ({"stuck": "yes"}, ["Stuck"]),
        ({"created_at__gte": "2026-11-23 00:00:00+00:00"}, []),
        ({"q": "mov"}, ["Moving"]),
        ({"q": "anna"}, ["Stuck", "Moving", "Broken"]),
        ({"q": "nobody"}, []),
    ],
)
def test_filters_and_search_run_in_the_database(admin, owner, query, found):
    make_run(owner, title="Broken", state=RunState.FAILED, steps=FAILED)
    moving = make_run(owner, title="Moving", steps=(StepState.RUNNING,))
    moving.steps.filter(position=0).update(due_at=timezone.now() + timedelta(seconds=30))
    stuck = make_run(owner, title="Stuck", steps=(StepState.RUNNING,))
    stuck.steps.filter(position=0).update(due_at=timezone.now() - timedelta(seconds=90))
    shown = admin.get(LIST, query).context["cl"].result_list
    assert sorted(run.title for run in shown) == sorted(found)


def test_a_run_is_found_by_its_id_and_by_the_reference_on_its_page(admin, owner):
    run, _ = make_run(owner), make_run(owner)
    for term in (str(run.pk), run.pk.hex, str(run.pk)[-8:]):
        shown = admin.get(LIST, {"q": term}).context["cl"].result_list
        assert [row.pk for row in shown] == [run.pk]


def test_a_live_run_that_nothing_moves_is_marked_without_any_filter(admin, owner):
    run = make_run(owner, steps=(StepState.RUNNING,))
    run.steps.filter(position=0).update(due_at=timezone.now() - timedelta(minutes=5))
    assert "stuck for 5 min" in admin.get(LIST).content.decode()
    assert "nothing has moved it for 5 min" in admin.get(page_of(run)).content.decode()


def test_a_live_run_without_any_alarm_counts_as_stuck(admin, owner):
    run = make_run(owner)
    assert [row.pk for row in admin.get(LIST, {"stuck": "yes"}).context["cl"].result_list] == [run.pk]


def test_an_empty_list_says_what_to_expect(admin):
    assert "No runs yet" in admin.get(LIST).content.decode()
    assert "No run matches" in admin.get(LIST, {"q": "x"}).content.decode()


def test_streams_that_are_not_published_are_found_with_the_age_of_their_oldest_entry(admin, owner):
    run, quiet = make_run(owner), make_run(owner)
    append(run.id, messages(3), now=timezone.now() - timedelta(minutes=7))
    Stream.objects.filter(key=run.id).update(published=1, failures=2)
    for query in ({"behind": "yes"}, {"behind": "failing"}):
        text = admin.get("/admin/outbox/stream/", query).content.decode()
        assert "1 of 3" in text
        assert "7 min ago" in text
        assert str(quiet.pk) not in text
