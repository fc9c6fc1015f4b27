"""`manage.py runs watch`: a run as it looks now, live in a terminal, line by line in a file. Over HTTP, as a client."""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from getpass import getpass
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streaming.client import Client, ClientError, Picture
from streaming.client.connection import Auth
from workflows.management.arguments import text

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
STYLES = {
    "completed": ("✓", "green"),
    "skipped": ("-", "dim"),
    "running": ("▸", "bold"),
    "retrying": ("↻", "yellow"),
    "waiting": ("…", "yellow"),
    "failed": ("✗", "red"),
    "compensation_failed": ("✗", "red"),
}
SAID_OF_ITEMS = {"item.committed": "+", "item.replaced": "~", "item.retracted": "-"}


def add_watch(verbs: Any) -> None:
    parser: ArgumentParser = verbs.add_parser(
        "watch",
        help="follow a run live, as a client: steps, bar, items; exit status 1 if it does not complete",
    )
    parser.add_argument("run", type=text, help="id of the run, or its last digits where the database is here")
    parser.add_argument("--url", type=text, default=f"http://127.0.0.1:{os.environ.get('PORT', '8000')}")
    parser.add_argument(
        "--user",
        type=text,
        default="admin",
        help="who looks. The password is ADMIN_PASSWORD (or DEMO_PASSWORD …) of the environment or the data folder, "
        "else it is asked for. LONGHAUL_TOKEN of the environment, an API token, comes before both",
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="longest to wait for the run's end")


def watch(run: str, options: Mapping[str, Any]) -> None:
    """To the end of the run. Raises CommandError when it does not complete, and when it cannot be followed."""
    url = options["url"]
    is_here = urlsplit(url).hostname in LOOPBACK  # where a proxy of the environment cannot reach
    try:
        with (
            Client(url, auth=credentials(options["user"]), trust_env=not is_here) as client,
            WatchView(Console(highlight=False)) as view,
        ):
            for picture in client.watch(run, timeout_seconds=options["timeout"], on_cut=view.say_cut):
                view.show(picture)
    except (ClientError, ValueError) as error:
        raise CommandError(f"{error}.".replace("..", ".")) from None
    except KeyboardInterrupt:
        raise CommandError("no longer watched; the run goes on.") from None
    if view.state != "completed":
        raise CommandError(f"the run is {view.state}.")


def credentials(user: str) -> Auth:
    """Raises CommandError where nobody can be asked."""
    if token := os.environ.get("LONGHAUL_TOKEN"):
        return token
    password = os.environ.get(f"{user.upper()}_PASSWORD")
    if password is None and not sys.stdin.isatty():
        raise CommandError(
            f"no password of {user} is known here: set LONGHAUL_TOKEN, or {user.upper()}_PASSWORD."
        )
    return user, password if password is not None else getpass(f"Password of {user}: ")


class WatchView:
    """`state`: of the run, as it was shown last."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.state = "unknown"
        self._picture: Picture | None = None
        self._told: dict[str, str] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=False)

    def __enter__(self) -> "WatchView":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, picture: Picture) -> None:
        self._picture = picture
        self.state = str(picture.run["state"])
        line = picture.last
        if line is None:
            self._say(f"{picture.run['title']} ({picture.run['id']})")
            for step, held in picture.items.items():
                for item in held.values():
                    self._say(f"+ {_item(step, item)}")
        elif sign := SAID_OF_ITEMS.get(line["type"]):
            self._say(f"{sign} {_item(line['step'], line['data'])}")
        elif line["type"] == "reset":
            self._say("the server's database was restored; the run is read anew")
        if not self.console.is_terminal:
            self._tell_changes(picture)

    def say_cut(self, why: str) -> None:
        self._say(f"line cut ({why}); going on from the cursor")

    def _tell_changes(self, picture: Picture) -> None:
        for subject in [*picture.run["steps"], {**picture.run, "name": "run"}]:
            now = f"{subject['name']}: {subject['state']}{_why(subject)}"
            if self._told.get(subject["name"]) != now:
                self._told[subject["name"]] = now
                self._say(now)

    def _say(self, sentence: str) -> None:
        """Cut to a terminal's width, whole in a file."""
        fits = self.console.is_terminal
        self.console.print(Text(sentence), soft_wrap=not fits, no_wrap=fits, overflow="ellipsis")

    def _table(self) -> RenderableType:
        if self._picture is None:
            return Text("…")
        run = self._picture.run
        table = Table.grid(padding=(0, 2))
        for step in run["steps"]:
            mark, style = STYLES.get(step["state"], ("·", "dim"))
            table.add_row(Text(mark, style=style), Text(step["title"], style=style), Text(self._note(step)))
        bar = Table.grid(padding=(0, 2))
        count = sum(len(held) for held in self._picture.items.values())
        bar.add_row(
            ProgressBar(total=1.0, completed=self._picture.part_done, width=40),
            Text(f"{run['state']}, {count} items  {run['state_info']}"),
        )
        return Group("", table, bar)

    def _note(self, step: Mapping[str, Any]) -> str:
        progress = step["progress"] or {}
        said = (
            [f"{progress['done']:g} of {progress['total']:g} {progress['unit']}"]
            if progress.get("total")
            else []
        )
        if step["attempt"] > 1:
            said.append(f"try {step['attempt']} of {step['max_attempts']}")
        return ", ".join(said) + _why(step)


def _why(subject: Mapping[str, Any]) -> str:
    return f": {subject['error']['detail']}" if subject.get("error") else ""


def _item(step: str, item: Mapping[str, Any]) -> str:
    return f"{step} {item['index']}: {json.dumps(item['value'], ensure_ascii=False)}"
