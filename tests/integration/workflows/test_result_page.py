"""The result as a tree, a level a page: what is shown, escaped, paged and refused, without any script."""

import html
import re

import pytest
from django.urls import reverse

from tests.factories import make_run
from tests.integration.workflows.test_result_parts import completed, much
from workflows.models import Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

RESULT = {
    "<b>bold</b>": "<script>alert(1)</script>",
    "empty": [],
    "hollow": {},
    "long": "word " * 1_000,
    "none": None,
    "rows": [{"n": number} for number in range(120)],
    "yes": True,
}


@pytest.fixture(params=["row", "file"])
def run(request, owner, client) -> Run:
    client.force_login(owner)
    return completed(owner, RESULT, is_file=request.param == "file")


def shown(client, run: Run, query: str = "", *, status: int = 200) -> str:
    answer = client.get(reverse("run-result-page", args=[run.pk]) + query)
    assert answer.status_code == status
    return answer.content.decode()


def text_of(page: str) -> str:
    tree = page[page.index("<main") :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", tree)))


def test_the_first_level_is_on_the_page_and_what_it_holds_is_text(client, run):
    page = shown(client, run)
    text = text_of(page)
    assert "<script>alert" not in page
    for line in (
        "<b>bold</b> <script>alert(1)</script>",
        "empty an empty list",
        "hollow an empty object",
        "none null",
        "rows 120 entries · 1.1 KB".replace("\xa0", " "),
        "yes true",
        "All of it (4.9 KB)",
    ):
        assert line in text.replace("\xa0", " "), line
    assert page.count("<details") == 1


def test_every_level_has_an_address_of_its_own_with_the_way_to_it(client, run):
    page = shown(client, run, "?pointer=/rows/3")
    assert "Result rows 3" in text_of(page)
    assert "n 3" in text_of(page)
    assert f'href="/api/v1/runs/{run.pk}/result?pointer=%2Frows%2F3&amp;whole=1"' in page


def test_links_to_more_lead_to_the_rest(client, run):
    seen, query = [], "?pointer=/rows"
    for _ in range(3):
        page = shown(client, run, query)
        seen += re.findall(r'<span class="key">(\d+)</span>', page)
        more = re.search(r'data-part="more"><a class="button" href="([^"]+)"', page)
        query = html.unescape(more[1]) if more else ""
    assert seen == [str(number) for number in range(120)]
    assert query == ""
    assert "From the beginning" in page


def test_a_long_text_is_read_at_an_address_of_its_own(client, run):
    assert "word " * 1_000 not in shown(client, run)
    assert "word " * 1_000 in shown(client, run, "?pointer=/long")


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        (
            "?pointer=/rows/120",
            404,
            "The result has nothing at /rows/120: at /rows is a list with 120 entries.",
        ),
        ("?pointer=rows", 400, "A pointer is empty, or begins with a slash"),
        ("?pointer=&after=nonsense", 400, "This cursor is not of this part"),
    ],
)
def test_an_address_that_leads_nowhere_says_so_and_leads_back(client, run, query, status, said):
    page = shown(client, run, query, status=status)
    assert said in text_of(page)
    assert "The result from its root" in page


def test_the_page_is_for_whom_the_result_is(client, run, stranger):
    client.force_login(stranger)
    shown(client, run, status=404)
    stranger.is_staff = True
    stranger.save()
    assert "permission to see payloads" in shown(client, run, status=403)
    client.logout()
    assert client.get(reverse("run-result-page", args=[run.pk])).status_code == 302


def test_a_run_without_a_result_says_why(client, owner):
    client.force_login(owner)
    running = make_run(owner, workflow=much, state=RunState.RUNNING, steps=(StepState.RUNNING,))
    assert "once it has completed" in shown(client, running, status=409)
    undone = make_run(owner, workflow=much, state=RunState.COMPENSATED, steps=(StepState.COMPENSATED,))
    assert "run it again for a new one" in shown(client, undone, status=410)


def test_the_page_of_the_run_leads_to_its_result(client, run):
    page = client.get(reverse("run-page", args=[run.pk])).content.decode()
    assert f'href="/runs/{run.pk}/result/"' in page
