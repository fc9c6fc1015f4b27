"""`manage.py tokens …`: API tokens from a shell. A secret is printed once, alone on its line."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from outbox.clock import CLOCK
from workflows.management import acting
from workflows.management.arguments import days, text
from workflows.models import ApiToken, Scope
from workflows.services.tokens import make_token, revoke_tokens


class Command(BaseCommand):
    help = "Make, list and revoke API tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        making = verbs.add_parser("make", help="a new one; its secret is printed this once")
        making.add_argument("name", type=text, help="what uses it")
        making.add_argument("--for", dest="owner", type=text, help="user name; by default the only superuser")
        making.add_argument(
            "--scope", dest="scopes", action="append", choices=Scope.values, help="again for more"
        )
        making.add_argument("--days", type=days, help="how long it is good; by default until it is revoked")
        listing = verbs.add_parser("list", help="newest first")
        listing.add_argument("--all", action="store_true", help="also those that open nothing any more")
        revoking = verbs.add_parser("revoke", help="from now on it opens nothing")
        revoking.add_argument("token", type=text, help="its number or its first characters")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        match verb:
            case "make":
                self._make(**options)
            case "list":
                self._list(every=options["all"])
            case "revoke":
                token = _find(options["token"])
                revoke_tokens([token.pk])
                self.stdout.write(f"{token} is revoked; streams that it opened end at the next heartbeat")

    def _make(
        self, name: str, owner: str | None, scopes: list[str] | None, days: float | None, **_: Any
    ) -> None:
        until = None if days is None else CLOCK.now() + timedelta(days=days)
        user = acting.actor(owner)
        token, secret = make_token(user, name=name[:100], scopes=scopes or [Scope.READ], expires_at=until)
        self.stderr.write(
            f"{token} of {user}: {', '.join(token.scopes)}. Keep it now: it is shown this once."
        )
        self.stdout.write(secret)

    def _list(self, *, every: bool) -> None:
        tokens = ApiToken.objects.all() if every else ApiToken.objects.live(CLOCK.now())
        for token in tokens.select_related("owner").order_by("-pk"):
            used = f"used {token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never used"
            ends = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "without end"
            state = "revoked" if token.revoked_at else ends
            scopes = ",".join(token.scopes)
            self.stdout.write(f"{token.pk}  {token}  {token.owner}  {scopes}  {state}  {used}")


def _find(text: str) -> ApiToken:
    """Raises CommandError."""
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    found = list(ApiToken.objects.filter(**({"pk": int(text)} if is_number else {"prefix": text}))[:2])
    if len(found) != 1:
        raise CommandError(f"there is no one token {text!r}; `tokens list --all` shows them")
    return found[0]
