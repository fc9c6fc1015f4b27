"""Each problem's `type` leads to a page about it. The slugs are read from the sources, so none can be forgotten."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from streaming.gateway.errors import TITLES
from workflows import problem_kinds
from workflows.api.problems import problem_body
from workflows.problem_kinds import KINDS, Kind

# What is called with a slug first: the answers themselves, and the errors that become one.
NAMERS = {
    "workflows/api": {"problem", "plain_problem", "problem_body"},
    "streaming/gateway": {"Refused"},
    "documents": {"problem", "plain_problem", "UploadRefused", "Unreadable", "Problem"},
}
WITNESSES = {"unknown-workflow", "overloaded", "not-acceptable", "empty-file", "no-pages", "image-too-large"}


def slugs_in(path: Path, names: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
        if isinstance(node.func, ast.Name) and node.func.id in names:
            yield from (str(choice.value) for choice in choices if isinstance(choice, ast.Constant))


def test_every_slug_that_the_code_names_has_a_page(client: Client) -> None:
    named = {
        slug
        for folder, names in NAMERS.items()
        for path in Path(folder).rglob("*.py")
        for slug in slugs_in(path, names)
    }
    assert named >= WITNESSES  # the search finds what is there

    for slug in sorted(named | set(KINDS) | set(TITLES)):
        answer = client.get(f"/docs/problems/{slug}")
        assert answer.status_code == 200, slug
        assert answer["Content-Type"].startswith("text/html")


def test_a_page_says_what_it_means_and_what_to_do(client: Client) -> None:
    page = client.get(problem_body("unknown-workflow", "No such workflow.")["type"]).content.decode()

    kind = KINDS["unknown-workflow"]
    assert all(words in page for words in (kind.title, kind.meaning, kind.remedy))
    assert 'href="/docs/problems/"' in page


def test_all_problems_are_listed(client: Client) -> None:
    page = client.get("/docs/problems/").content.decode()

    assert all(f'href="/docs/problems/{slug}"' in page for slug in KINDS)


def test_an_unknown_slug_has_no_page(client: Client) -> None:
    assert client.get("/docs/problems/no-such-problem").status_code == 404


def test_an_answer_without_a_page_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        problem_body("no-such-problem", "Nothing.")


def test_every_transport_gives_a_problem_the_same_title() -> None:
    assert {slug: KINDS[slug].title for slug in TITLES} == TITLES


def test_a_slug_does_not_change_its_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem_kinds, "KINDS", dict(KINDS))
    other = Kind(status=409, title="Gone fishing", meaning="Nobody is here.", remedy="Come back later.")
    problem_kinds.register({"gone-fishing": other})
    problem_kinds.register({"gone-fishing": other})

    with pytest.raises(ValueError, match="not-found"):
        problem_kinds.register({"not-found": other})
