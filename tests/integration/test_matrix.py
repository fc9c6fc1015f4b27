"""Everybody × every address × every run × every transport. What is asked of each address stands in ROWS; what comes of
it for whom is told by the rules, and compared with the answer. An address without a row fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from channels.layers import channel_layers
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import IntConverter

from config.asgi import build
from documents.flows import document_analysis
from streaming.gateway.reads import read
from tests.integration.streaming.gateway.lines import socket
from tests.integration.visitors import SEEN_ONLY_HERE, Scene, Visitor, make_scene
from workflows import system
from workflows.entrance.sharing import share

pytestmark = pytest.mark.django_db(transaction=True)

IN, SIGN_IN, REFUSED, ABSENT, LOGIN = "let in", "401", "403", "404", "to the login page"
RUNS = ("own", "foreign", "absent")
# A body that is refused, but only after the rights were looked at: nothing changes here.
NONSENSE = '{"nonsense": 1}'


@dataclass(frozen=True)
class Row:
    """door: open (to all), page (sessions), api, log (the api, and tickets), file (as the api, but browsers are led to
    sign in), link (share links), admin. scope: of a token. right: as in `Visitor.has_right`. of_run: it is about one.
    """

    door: str
    scope: str = "read"
    right: str = ""
    of_run: bool = True


OPEN = {"GET": Row("open", of_run=False)}
SEE = {"GET": Row("api")}
ROWS: dict[str, dict[str, Row]] = {
    **dict.fromkeys(
        ("healthz", "readyz", "favicon", "login", "problems", "problem", "openapi", "asyncapi", "api-page"),
        OPEN,
    ),
    "logout": {"POST": Row("open", of_run=False)},
    "nothing": OPEN | {"POST": Row("open", of_run=False)},
    "home": {"GET": Row("page", of_run=False), "POST": Row("page", of_run=False)},
    "run-page": {"GET": Row("page")},
    "run-result-page": {"GET": Row("page", right="owner:payloads")},
    "run-stop": {"POST": Row("page", right="owner:cancel")},
    "run-answer": {"POST": Row("page", right="owner:signal")},
    "system": {"GET": Row("api", right="staff", of_run=False)},
    "workflows": {"GET": Row("api", of_run=False)},
    "workflow": {"GET": Row("api", of_run=False)},
    "runs": {"GET": Row("api", of_run=False), "POST": Row("api", "start", "start_run", of_run=False)},
    "run": {"GET": Row("api"), "DELETE": Row("api", "act", "erase_run")},
    "run-events": {"GET": Row("log")},
    "run-items": {"GET": Row("api", right="owner:payloads")},
    "run-result": {"GET": Row("api", right="owner:payloads")},
    "run-steps": SEE,
    "step-attempts": SEE,
    "step-skip": {"POST": Row("api", "act", "skip_step")},
    "run-signal": {"POST": Row("api", "act", "owner:signal")},
    "run-cancel": {"POST": Row("api", "act", "owner:cancel")},
    "run-retry": {"POST": Row("api", "act", "retry_run")},
    "run-rerun": {"POST": Row("api", "act", "rerun_run")},
    "run-compensate": {"POST": Row("api", "act", "compensate_run")},
    "share-links": {"GET": Row("api", right="owner:share"), "POST": Row("api", "act", "owner:share")},
    "share-link": {"DELETE": Row("api", "act", "owner:share")},
    "stream-tickets": {"POST": Row("api", of_run=False)},
    "start-analysis": {"POST": Row("api", "start", of_run=False)},
    "report-html": {"GET": Row("file", right="owner:payloads")},
    "report-pdf": {"GET": Row("file", right="owner:payloads")},
    "shared": {"GET": Row("link")},
    "shared-events": {"GET": Row("link")},
    "shared-items": {"GET": Row("link", "items")},
    "shared-result": {"GET": Row("link", "result")},
    "shared-page": {"GET": Row("link")},
    "shared-report-html": {"GET": Row("link", "result")},
    "shared-report-pdf": {"GET": Row("link", "result")},
}
SOCKETS = {"ws/v1"}
UNNAMED = {"favicon.ico": "favicon", "": "nothing"}
LEAD_NOWHERE = {
    "nothing",
    "run-answer",
}  # there is no such address, no such question, also for whom it is open
ADMIN_DOORS = {"admin:login", "admin:logout", "admin:jsi18n"}
DOORS = {name: rows for name, rows in ROWS.items() if name != "run-events"}


def verdict(row: Row, visitor: Visitor, run: Any) -> str:
    """What the rules say."""
    by_ticket = visitor.way == "ticket"
    known = visitor.name and (not by_ticket or row.door == "log")
    match row.door:
        case "open":
            return IN
        case "link":
            if visitor.way != "link":
                return ABSENT
            return IN if row.scope in visitor.scopes else REFUSED
        case "page":
            if visitor.way != "session":
                return LOGIN
        case _:
            if not known:
                return SIGN_IN
            if row.door != "file" and row.scope not in visitor.scopes:
                return REFUSED
    if row.of_run and not visitor.sees(run):
        return ABSENT
    needs_payloads = row.right == "owner:payloads" and not {"read", "payloads"} <= visitor.scopes
    return IN if visitor.has_right(row.right, run) and not needs_payloads else REFUSED


def came_to(answer: Any) -> str:
    """What the answer was, in the words of `verdict`."""
    if answer.status_code == 302 and answer["Location"].startswith(reverse("login") + "?next="):
        return LOGIN
    return {401: SIGN_IN, 403: REFUSED, 404: ABSENT}.get(answer.status_code, IN)


def addresses(
    patterns: Any = None, namespace: str = "", path: str = ""
) -> Iterator[tuple[str, str, URLPattern]]:
    """Name, path and pattern of every address of the site."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = path + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from addresses(pattern.url_patterns, inner, here)
        else:
            unnamed = UNNAMED.get(str(pattern.pattern), str(pattern.pattern))
            yield namespace + (pattern.name or unnamed), here, pattern


@pytest.fixture(autouse=True)
def _quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client of a test would look for all static files anew; and nobody waits for workers that there are not."""
    settings.MIDDLEWARE = [
        name for name in settings.MIDDLEWARE if not name.startswith("config.static_files.")
    ]
    monkeypatch.setattr(system, "PING_SECONDS", 0.001)
    channel_layers.backends.clear()


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def test_every_address_has_a_row_and_every_row_an_address():
    names = {name for name, _, _ in addresses() if not name.startswith("admin:")}
    assert names == set(ROWS), "who may do what there? Say so in ROWS"


def test_every_method_of_a_view_of_the_api_has_a_row():
    for name, _, pattern in addresses():
        view = getattr(pattern.callback, "cls", None)
        if view is not None:
            methods = {method.upper() for method in view.http_method_names if hasattr(view, method)}
            assert methods - {"OPTIONS", "HEAD"} == set(ROWS[name]), name


def test_every_socket_has_a_row():
    entrance = build().application_mapping["websocket"]
    assert {str(route.pattern) for route in entrance._known.routes} == SOCKETS


def address_of(name: str, scene: Scene, visitor: Visitor, which: str) -> str:
    """An address whose other parts are right, so that a 404 is one of the run."""
    run_id = scene.id_of(which)
    extra: dict[str, Any] = {
        "workflow": [document_analysis.name],
        "problem": ["not-found"],
        "run-answer": [run_id, "nothing"],
        "step-attempts": [run_id, document_analysis.steps[0].name],
        "step-skip": [run_id, document_analysis.steps[0].name],
        "run-signal": [run_id, "nothing"],
    }
    if name in ("nothing", "favicon"):
        return "/api/v1/nothing" if name == "nothing" else "/favicon.ico"
    if name == "share-link":
        run = scene.runs[which]
        link_id = share(run.pk, by=run.owner)[0].pk if run is not None else 1
        return reverse(name, args=[run_id, link_id])
    if name.startswith("shared"):
        return reverse(name, args=[visitor.secret])
    if name in extra:
        return reverse(name, args=extra[name])
    of_run = any(row.of_run for row in ROWS[name].values())
    return reverse(name, args=[run_id] if of_run else [])


def ask(visitor: Visitor, method: str, address: str) -> Any:
    client = visitor.client()
    if visitor.ticket is not None:
        address += f"?ticket={visitor.ticket()}"
    if method == "GET":
        return client.get(address)
    return client.generic(method, address, NONSENSE, content_type="application/json")


@pytest.mark.parametrize("name", sorted(DOORS))
def test_each_address_lets_in_whom_the_rules_let_in(scene, name):
    found, expected = {}, {}
    for method, row in ROWS[name].items():
        for which in RUNS if row.of_run and row.door != "link" else RUNS[:1]:
            for visitor in scene.visitors:
                answer = ask(visitor, method, address_of(name, scene, visitor, which))
                key = (method, which, visitor.label)
                found[key], expected[key] = came_to(answer), verdict(row, visitor, scene.runs[which])
                assert answer.status_code < 500 or name == "readyz", key
                if name in LEAD_NOWHERE and answer.status_code == 404 and expected[key] == IN:
                    found[key] = IN
    assert {key: word for key, word in found.items() if word != expected[key]} == {}


@pytest.mark.parametrize("format", ["json", "sse", "ndjson", "ndjson&follow=1"])
def test_the_log_is_open_to_whom_the_rules_let_in_whatever_they_read_it_as(scene, format):
    row, found, expected = ROWS["run-events"]["GET"], {}, {}
    for which in RUNS:
        for visitor in scene.visitors:
            ticket = f"&ticket={visitor.ticket()}" if visitor.ticket is not None else ""
            address = f"{reverse('run-events', args=[scene.id_of(which)])}?format={format}{ticket}"
            answer = visitor.client().get(address)
            run, key = scene.runs[which], (which, visitor.label)
            found[key], expected[key] = came_to(answer), verdict(row, visitor, run)
            if format == "json" and found[key] == IN:
                may = "payloads" in visitor.scopes and visitor.has_right("owner:payloads", run)
                assert (SEEN_ONLY_HERE in answer.content.decode()) == may, key
    assert {key: word for key, word in found.items() if word != expected[key]} == {}


@pytest.mark.parametrize("format", ["json", "sse", "ndjson", "ndjson&follow=1"])
def test_a_link_opens_its_log_whatever_it_is_read_as(scene, format):
    for visitor in scene.visitors:
        answer = visitor.client().get(f"{reverse('shared-events', args=[visitor.secret])}?format={format}")
        assert came_to(answer) == verdict(ROWS["shared-events"]["GET"], visitor, None), visitor.label
        if format == "json" and answer.status_code == 200:
            assert (SEEN_ONLY_HERE in answer.content.decode()) == ("items" in visitor.scopes), visitor.label


async def test_a_socket_is_open_to_whom_the_rules_let_in():
    application, scene = build(), await read(make_scene)
    found, expected = {}, {}
    for visitor in scene.visitors:
        for which in RUNS:
            key = (visitor.label, which)
            found[key] = await _by_socket(application, visitor, scene.id_of(which))
            expected[key] = _by_rules(visitor, scene.runs[which])
    assert {key: word for key, word in found.items() if word != expected[key]} == {}


async def _by_socket(application: Any, visitor: Visitor, run_id: Any) -> str:
    headers = [(name.lower().encode(), value.encode()) for name, value in visitor.headers.items()]
    if not visitor.headers and visitor.ticket is None:
        headers.append((b"origin", b"http://localhost"))
    if visitor.cookie:
        headers.append((b"cookie", f"sessionid={visitor.cookie}".encode()))
    query = f"ticket={await read(visitor.ticket)}" if visitor.ticket is not None else ""
    async with socket(application, *headers, query=query) as opened:
        if not opened.was_let_in:
            return SIGN_IN
        await opened.follow(run_id)
        frame = await opened.until("subscribed", "error", "close")
    if frame["type"] == "close":
        return SIGN_IN
    return IN if frame["type"] == "subscribed" else ABSENT


def _by_rules(visitor: Visitor, run: Any) -> str:
    """Sockets take cookies, tickets and tokens, and no passwords. A scope that is missing hides every run."""
    if not visitor.name or visitor.way == "password":
        return SIGN_IN
    return IN if visitor.sees(run) and "read" in visitor.scopes else ABSENT


def test_the_admin_is_for_staff_who_signed_in_by_a_browser(scene):
    run = scene.runs["own"]
    inside = {"stefan", "olga"}
    outside = [guest for guest in scene.visitors if guest.way != "session" or guest.name not in inside]
    for name, path, pattern in addresses():
        keys = list(pattern.pattern.converters.values())
        if not name.startswith("admin:") or name in ADMIN_DOORS or pattern.name is None:
            continue
        if len(keys) != path.count("<") or len(keys) > 1:
            continue
        address = reverse(name, args=[1 if isinstance(key, IntConverter) else run.pk for key in keys])
        for guest in outside:
            answer = guest.client().get(address)
            assert answer.status_code == 302, (name, guest.label)
            assert answer["Location"].startswith((reverse("admin:login"), reverse("login"))), name


def test_the_settings_say_who_is_asked():
    """What the rows rely on: no view of the API is open by default, and nobody comes in by another way."""
    rest = settings.REST_FRAMEWORK
    assert rest["DEFAULT_PERMISSION_CLASSES"] == ["workflows.api.permissions.ScopedCallers"]
    assert [path.rpartition(".")[2] for path in rest["DEFAULT_AUTHENTICATION_CLASSES"]] == [
        "TokenInHeader",
        "BrowserSession",
        "PasswordInHeader",
    ]
