"""The progress page, with the test client: what stands there before, or without, any script."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pydantic import BaseModel, Field

from outbox.append import Message, append
from tests.factories import NOW, make_run
from workflows import selectors
from workflows.models import Item, Run
from workflows.pages.views import field_labels, in_order, nouns, page_context
from workflows.states import RunState, StepState


def in_the_middle(owner: User) -> Run:
    return make_run(owner, steps=(StepState.COMPLETED, StepState.RUNNING))


def commit_item(run: Run, index: int, **data: Any) -> None:
    step = run.steps.get(name="list_parts")
    seq = append(run.id, [Message(type="item.committed", payload={})], now=NOW)
    Item.objects.create(
        run=run,
        step=step,
        attempt=1,
        index=index,
        key=f"k{index}",
        type="Note",
        data=data,
        seq=seq,
        created_at=NOW,
    )
    step.items_count = index + 1
    step.save()


def say(run: Run, text: str, **params: str) -> None:
    payload = {"template": text, "params": params, "text": text}
    append(run.id, [Message(type="message", payload=payload)], now=NOW)


@pytest.fixture
def open_page(client: Client, owner: User) -> Any:
    client.force_login(owner)

    def get(run: Run) -> str:
        answer = client.get(reverse("run-page", args=[run.id]))
        assert answer.status_code == 200
        return str(answer.content, "utf-8")

    return get


def words_of(html: str) -> str:
    """The text of a page without its scripts and templates."""
    visible = re.sub(r"(?s)<(script|template|symbol).*?</\1>", " ", html.partition("<body")[2])
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", visible))


def test_the_page_is_true_before_any_script(open_page: Any, owner: User) -> None:
    run = in_the_middle(owner)
    commit_item(run, 0, text="shade", price=12.0)
    commit_item(run, 1, text="bulb")

    html = open_page(run)
    words = words_of(html)

    assert '<h2 data-part="headline">Listing</h2>' in html
    assert "Step 2 of 3 · 2 notes" in words
    assert re.search(r"Reserving done · .* Listing working · 2 notes · .* Charging not started", words)
    assert words.index("shade") < words.index("bulb")
    assert "Price 12 " in words
    assert 'aria-valuenow="33"' in html
    assert f'data-seq="{run_seq(run)}"' in html


USED = {"tokens_in": 1_200, "tokens_out": 34, "cost": 0.0312, "calls": 1, "is_estimated": False}


def test_what_the_run_used_of_models_stands_there(open_page: Any, owner: User) -> None:
    run = in_the_middle(owner)
    assert 'data-part="used" hidden></p>' in open_page(run)
    run.steps.get(name="list_parts").attempts.update(usage=USED)
    assert "1,234 tokens used · 0.0312 USD Reference" in words_of(open_page(run))


def test_readers_who_are_not_told_find_it_nowhere_on_the_page(owner: User) -> None:
    run = in_the_middle(owner)
    run.steps.get(name="list_parts").attempts.update(usage=USED)
    shown = selectors.snapshot(run)
    said = {"activity": [], "warnings": []}
    for shows_usage in (True, False):
        context = page_context(shown, [], said, is_cut=False, shows_usage=shows_usage, now=NOW)
        html = render_to_string("runs/detail.html", context)
        assert ("0.0312" in html) is ("tokens_in" in html) is shows_usage


def run_seq(run: Run) -> int:
    from outbox.models import Stream

    return Stream.objects.get(key=run.id).head


def test_a_run_that_has_not_begun_says_so(open_page: Any, owner: User) -> None:
    run = make_run(owner, state=RunState.PENDING, steps=(StepState.READY,), started_at=None)

    words = words_of(open_page(run))

    assert "Waiting to start" in words
    assert "Steps to do: 3" in words
    assert "They appear here one by one, as they are found." in words


def test_a_finished_run_offers_its_result(open_page: Any, owner: User) -> None:
    done = (StepState.COMPLETED,) * 3
    run = make_run(owner, state=RunState.COMPLETED, steps=done)

    html = open_page(run)

    assert "All done" in words_of(html)
    assert 'data-part="result">' in html
    assert f'href="/api/v1/runs/{run.id}/result"' in html


def test_the_result_is_hidden_until_the_end(open_page: Any, owner: User) -> None:
    assert 'data-part="result" hidden>' in open_page(in_the_middle(owner))


def test_a_failed_run_says_what_happened_and_what_to_name(open_page: Any, owner: User) -> None:
    run = make_run(owner, state=RunState.FAILED, steps=(StepState.COMPLETED, StepState.FAILED))
    step = run.steps.get(name="list_parts")
    step.error = {
        "code": "closed",
        "detail": "The shop is closed.",
        "retryable": True,
        "error_class": "Retryable",
    }
    step.save()

    html = open_page(run)

    assert "Listing: The shop is closed." in words_of(html)
    assert "1 of 3 steps done" in words_of(html)
    assert str(run.id)[-8:] in html
    assert "Retryable" not in html


def test_a_step_that_waits_to_be_tried_again_says_when_and_why(open_page: Any, owner: User) -> None:
    run = make_run(owner, steps=(StepState.COMPLETED, StepState.RETRYING))
    step = run.steps.get(name="list_parts")
    step.error = {
        "code": "closed",
        "detail": "The shop is closed.",
        "retryable": True,
        "error_class": "Retryable",
    }
    step.save()

    words = words_of(open_page(run))

    assert "trying again now (2 of 2) The shop is closed." in words


def test_warnings_stand_out_from_what_was_merely_said(open_page: Any, owner: User) -> None:
    run = in_the_middle(owner)
    say(run, "Looking at the lamp")
    say(run, "The lamp has no plug.", warning="The lamp has no plug.")

    html = open_page(run)
    warnings, activity = html.split('data-part="warning-list"')[1].split('data-part="activity-list"')

    assert "The lamp has no plug." in warnings.split("</ul>")[0]
    assert "Looking at the lamp" in activity.split("</ol>")[0]
    assert "no plug" not in activity.split("</ol>")[0]


def test_a_foreign_run_looks_like_none(client: Client, owner: User, stranger: User) -> None:
    run = in_the_middle(owner)
    client.force_login(stranger)

    foreign = client.get(reverse("run-page", args=[run.id]))
    absent = client.get("/runs/0198c2ab-7d10-7c3e-9a41-5d0b8e4f7a3c/")

    assert foreign.status_code == absent.status_code == 404
    assert words_of(str(foreign.content, "utf-8")) == words_of(str(absent.content, "utf-8"))


def test_staff_see_every_run(client: Client, owner: User, operator: User) -> None:
    client.force_login(operator)
    assert client.get(reverse("run-page", args=[in_the_middle(owner).id])).status_code == 200


def test_who_is_not_signed_in_is_asked_to(client: Client, owner: User) -> None:
    address = reverse("run-page", args=[in_the_middle(owner).id])
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('login')}?next={address}"


def test_what_a_model_wrote_is_only_ever_text(open_page: Any, owner: User) -> None:
    run = make_run(
        owner, steps=(StepState.COMPLETED, StepState.RUNNING), title="</title><script>alert(1)</script>"
    )
    commit_item(run, 0, text='"><img src=x onerror=alert(2)>', kind="</li><script>alert(3)</script>")
    say(run, "<script>alert(4)</script>")

    html = open_page(run)

    assert "<img" not in html
    scripts = re.findall(r"<script[^>]*>", html)
    assert len(scripts) == 5
    assert all('src="/static/' in script or 'type="application/json"' in script for script in scripts)


def test_the_page_carries_no_inline_code_or_style_and_no_third_party(open_page: Any, owner: User) -> None:
    html = open_page(in_the_middle(owner))

    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert len(html.encode()) < 60_000


def test_a_long_list_is_cut_and_says_where_the_rest_is(open_page: Any, owner: User, settings: Any) -> None:
    settings.LONGHAUL = {"PAGE_ITEMS_MAX": "2"}
    run = in_the_middle(owner)
    for index in range(3):
        commit_item(run, index, text=f"part {index}")

    html = open_page(run)

    assert "part 1" in html
    assert "part 2" not in html
    assert f'href="/api/v1/runs/{run.id}/items"' in html


def test_the_page_asks_the_database_a_fixed_number_of_questions(
    open_page: Any, owner: User, django_assert_max_num_queries: Any
) -> None:
    run = in_the_middle(owner)
    for index in range(30):
        commit_item(run, index, text=f"part {index}")

    with django_assert_max_num_queries(12):
        open_page(run)


def test_what_the_parts_of_a_fan_out_found_stands_in_their_order(owner: User) -> None:
    run = {"steps": [{"name": "read", "position": 0}, {"name": "score", "position": 1}]}
    places = [("score[10]", 0), ("score[2]", 1), ("unheard[1]", 0), ("score[2]", 0), ("read", 4)]
    items = [{"step": step, "index": index} for step, index in places]
    shown = [(item["step"], item["index"]) for item in in_order(run, items)]
    assert shown == [("unheard[1]", 0), ("read", 4), ("score[2]", 0), ("score[2]", 1), ("score[10]", 0)]


@pytest.mark.django_db
def test_what_came_of_somebody_elses_run_is_not_on_its_page(client: Client, owner: User) -> None:
    run = make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)
    commit_item(run, 0, text="a shade of silk")
    staff = User.objects.create_user("stefan", is_staff=True)
    client.force_login(staff)
    said = words_of(client.get(reverse("run-page", args=[run.id])).content.decode())
    assert "a shade of silk" not in said
    assert "Download the result" not in said
    assert "The result is its owner's." in said
    staff.user_permissions.add(Permission.objects.get(codename="view_payloads"))
    said = words_of(client.get(reverse("run-page", args=[run.id])).content.decode())
    assert "a shade of silk" in said
    assert "Download the result" in said


class Party(BaseModel):
    who: str = Field(title="Name")
    page: int


class Duty(BaseModel):
    page: int
    who: str
    due: str


def test_items_of_one_class_are_called_by_its_name_and_those_of_several_are_results():
    assert nouns([Party]) == ("party", "parties")
    assert nouns([Party, Duty]) == nouns([]) == ("result", "results")


def test_the_fields_of_every_class_have_their_names_in_its_order():
    assert list(field_labels([Party, Duty]).items()) == [("who", "Name"), ("page", "Page"), ("due", "Due")]
