"""Everybody who may come, and by which way; and what each of them may do, told anew from the rules in the guides.

Anna and Bert have a run each. Stefan is staff without permissions, Olga a superuser. Programs come with tokens, pages
of other sites with tickets, and whoever was told the address of a share link with that.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from documents.flows import document_analysis, write_report
from documents.report import ReportFiles
from documents.storage import save_file
from outbox.append import Message, append
from tests.factories import NOW, make_run
from workflows.entrance.sharing import share, unshare
from workflows.entrance.tickets import make_ticket
from workflows.models import ApiToken, Run, ShareLink
from workflows.principals import principal_of
from workflows.services.tokens import make_token
from workflows.states import RunState, StepState

ALL = frozenset({"read", "start", "act", "payloads"})
SEEN_ONLY_HERE = "a lamp of brass"  # in the items of every run


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """name: of the account in whose name they come; "": nobody's. way: session, password, token, ticket or link.

    scopes: what that way lets them do. secret: of their link. only: the one run that the way opens.
    """

    label: str
    way: str = ""
    name: str = ""
    scopes: frozenset[str] = ALL
    headers: dict[str, str] = field(default_factory=dict)
    cookie: str = ""
    secret: str = "no-such-secret"
    ticket: Callable[[], str] | None = None
    only: UUID | None = None

    def client(self) -> Client:
        client = Client(headers=self.headers)
        if self.cookie:
            client.cookies["sessionid"] = self.cookie
        return client

    def sees(self, run: Run | None) -> bool:
        """None: a run that there is not."""
        if run is None or not self.name or (self.only is not None and run.pk != self.only):
            return False
        return self.name in ("stefan", "olga", run.owner.username)

    def has_right(self, right: str, run: Run | None) -> bool:
        """right: "": none is needed; "staff"; "owner:…": owners have it; else the permission alone gives it."""
        if not right or self.name == "olga":
            return True
        if right == "staff":
            return self.name == "stefan"
        return right.startswith("owner:") and run is not None and run.owner.username == self.name


@dataclass
class Scene:
    """All of them, and the runs by what they are to Anna."""

    runs: dict[str, Run | None]
    visitors: list[Visitor]

    def id_of(self, which: str) -> UUID:
        run = self.runs[which]
        return uuid4() if run is None else run.pk


def make_scene() -> Scene:
    people = {
        name: User.objects.create_user(name, password=f"{name}-password") for name in ("anna", "bert", "gone")
    }
    people["stefan"] = User.objects.create_user("stefan", is_staff=True)
    people["olga"] = User.objects.create_superuser("olga")
    own, foreign = _finished(people["anna"]), _finished(people["bert"])
    visitors = [
        Visitor(label="nobody"),
        *[_signed_in(people[name]) for name in ("anna", "bert", "stefan", "olga")],
        Visitor(label="wrong password", headers=_basic("anna", "wrong")),
        Visitor(
            label="anna by password", way="password", name="anna", headers=_basic("anna", "anna-password")
        ),
        *_tokens(people["anna"], people["olga"]),
        *_tickets(people["anna"], own),
        *_links(own),
    ]
    gone = _signed_in(people["gone"])
    visitors.append(Visitor(label="closed account", cookie=gone.cookie))
    User.objects.filter(username="gone").update(is_active=False)
    return Scene({"own": own, "foreign": foreign, "absent": None}, visitors)


def _finished(owner: User) -> Run:
    file = {
        "storage_name": "x",
        "filename": "x.pdf",
        "size_bytes": 1,
        "sha256": "0" * 64,
        "media_type": "application/pdf",
    }
    run = make_run(
        owner,
        workflow=document_analysis,
        state=RunState.COMPLETED,
        steps=(StepState.COMPLETED,) * len(document_analysis.steps),
        input=file,
    )
    files = ReportFiles(
        html=save_file(f"{run.pk}.html", b"<p>", media_type="text/html"),
        pdf=save_file(f"{run.pk}.pdf", b"%PDF", media_type="application/pdf"),
        findings_count=0,
        risk_score=0,
    )
    run.steps.filter(name=write_report.name).update(output=files.model_dump(mode="json"))
    with transaction.atomic():
        item = Message(type="item.committed", payload={"value": {"text": SEEN_ONLY_HERE}})
        append(run.id, [item], now=NOW)
    return run


def _signed_in(user: User) -> Visitor:
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    return Visitor(label=user.username, way="session", name=user.username, cookie=cookie)


def _basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def _tokens(anna: User, olga: User) -> list[Visitor]:
    made = []
    for user, scopes in [(anna, {scope}) for scope in sorted(ALL)] + [
        (anna, {"read", "payloads"}),
        (anna, set(ALL)),
        (olga, {"read"}),
        (olga, set(ALL)),
    ]:
        _, secret = make_token(user, name="a program", scopes=scopes)
        label = f"token of {user} to {'+'.join(sorted(scopes))}"
        made.append(_bearer(secret, label=label, way="token", name=user.username, scopes=frozenset(scopes)))
    for end in ("revoked_at", "expires_at"):
        token, secret = make_token(olga, name="a program", scopes=ALL)
        ApiToken.objects.filter(pk=token.pk).update(**{end: timezone.now()})
        made.append(_bearer(secret, label=f"token with {end}"))
    return made


def _bearer(secret: str, **fields: Any) -> Visitor:
    return Visitor(headers={"Authorization": f"Bearer {secret}"}, **fields)


def _tickets(anna: User, own: Run) -> list[Visitor]:
    def ticket(run_id: UUID | None) -> Callable[[], str]:
        return lambda: make_ticket(principal_of(anna), run_id=run_id)[0]

    used = ticket(None)()
    reading = frozenset({"read", "payloads"})
    return [
        Visitor(label="ticket", way="ticket", name="anna", scopes=reading, ticket=ticket(None)),
        Visitor(
            label="ticket for one",
            way="ticket",
            name="anna",
            scopes=reading,
            ticket=ticket(own.pk),
            only=own.pk,
        ),
        Visitor(label="bad ticket", way="ticket", ticket=lambda: f"{used}x"),
    ]


def _links(own: Run) -> list[Visitor]:
    made = []
    for scopes in ((), ("items",), ("result",), ("items", "result")):
        _, secret = share(own.pk, by=own.owner, scopes=scopes)
        label = f"link to {'+'.join(scopes) or 'progress'}"
        made.append(Visitor(label=label, way="link", scopes=frozenset({"read", *scopes}), secret=secret))
    for end in ("revoked", "expired"):
        link, secret = share(own.pk, by=own.owner, scopes=("items", "result"))
        if end == "revoked":
            unshare(link, by=own.owner)
        else:
            ShareLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        made.append(Visitor(label=f"{end} link", secret=secret))
    return made
