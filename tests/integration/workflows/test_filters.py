"""What a list of runs can be asked for."""

from datetime import timedelta

import pytest
from django.urls import reverse

from tests.factories import NOW, make_run
from tests.flows import ordering
from workflows.api import filters
from workflows.models import Run
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FAILED = RunState.COMPLETED, RunState.FAILED
LABELS = [
    {"team": "legal", "7": "seven"},
    {"team": "legal", "a.b": 'x"y', "__class__": "1"},
    {"team": "sales", "note": "50%"},
    {},
]


@pytest.fixture
def runs(owner) -> list[Run]:
    """Four runs of one owner, an hour apart, newest last."""
    states = [DONE, FAILED, RunState.RUNNING, DONE]
    titles = ["Lease of Main Street", "lease (old)", "100% offer", "A lamp_post"]
    return [
        make_run(owner, state=state, labels=labels, title=title, created_at=NOW + timedelta(hours=hour))
        for hour, (state, labels, title) in enumerate(zip(states, LABELS, titles, strict=True))
    ]


@pytest.fixture
def found(client, runs):
    """The places, in `runs`, of those that a query finds."""

    def ask(**query) -> list[int]:
        answer = client.get(reverse("runs"), query)
        assert answer.status_code == 200, answer.json()
        ids = [str(run.pk) for run in runs]
        return sorted(ids.index(row["id"]) for row in answer.json()["runs"])

    return ask


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ({}, [0, 1, 2, 3]),
        ({"state": "failed"}, [1]),
        ({"state": ["failed", "running"]}, [1, 2]),
        ({"state": ""}, [0, 1, 2, 3]),
        ({"workflow": ordering.name, "state": "completed"}, [0, 3]),
        ({"workflow": ["absent", "other"]}, []),
        ({"owner": "anna"}, [0, 1, 2, 3]),
        ({"owner": "bert"}, []),
        ({"label": "team:legal"}, [0, 1]),
        ({"label": ["team:legal", "7:seven"]}, [0]),
        ({"label": 'a.b:x"y'}, [1]),
        ({"label": "__class__:1"}, [1]),
        ({"label": "note:50%"}, [2]),
        ({"label": "team:"}, []),
        ({"label": "team:%"}, []),
        ({"title": "lease"}, [0, 1]),
        ({"title": "%"}, [2]),
        ({"title": "_"}, [3]),
        ({"created_after": "2026-11-22T10:31:04.512Z"}, [1, 2, 3]),
        ({"created_before": "2026-11-22T11:31:04.512+01:00"}, [0]),
        (
            {
                "created_after": "2026-11-22T10:00:00Z",
                "created_before": "2026-11-22T12:00:00Z",
                "title": "lease",
            },
            [1],
        ),
    ],
)
def test_a_list_has_the_runs_that_fit_all_that_was_asked(client, owner, found, query, places):
    client.force_login(owner)
    assert found(**query) == places


@pytest.mark.parametrize(
    "query",
    ["label=team", "label=%00:x", "owner=%00", "title=%00", "state=failed&state=dancing", "created_after=yesterday",
     "created_after=2026-11-22", "created_before=0001-01-01T00:00:00%2B23:59", "count=exact", "state=failed&" * 51],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused_with_a_sentence(client, owner, query):
    client.force_login(owner)
    answer = client.get(f"{reverse('runs')}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation-error")


def test_filters_open_no_door(client, stranger, operator, runs, found):
    client.force_login(stranger)
    assert found(owner="anna") == []
    assert client.get(reverse("runs"), {"count": "estimate"}).json()["count"]["value"] == 0
    client.force_login(operator)
    assert found(owner=["anna", "bert"], state="failed") == [1]


def test_runs_are_counted_only_on_request_and_only_so_far(client, owner, runs, monkeypatch):
    client.force_login(owner)
    asked = {"count": "estimate", "state": "completed", "limit": 1}
    assert "count" not in client.get(reverse("runs")).json()
    first = client.get(reverse("runs"), asked).json()
    assert first["count"] == {"value": 2, "is_capped": False}
    assert client.get(reverse("runs"), {**asked, "cursor": first["next"]}).json()["count"]["value"] == 2
    monkeypatch.setattr(filters, "COUNT_MAX", 1)
    assert client.get(reverse("runs"), asked).json()["count"] == {"value": 1, "is_capped": True}
