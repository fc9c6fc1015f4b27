"""`manage.py flows`: the workflows of this code; `flows check --live` refuses a deploy that would strand live runs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows.definitions import find, registry
from workflows.selectors import stranded_by_code


class Command(BaseCommand):
    help = "List the workflows of this code; check that it has what live runs need."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["list", "check"], default="list")
        parser.add_argument(
            "--live", action="store_true", help="with check: against the runs of the database"
        )

    def handle(self, *args: Any, what: str, live: bool, **options: Any) -> None:
        names = registry.names()
        if what == "list":
            for name in names:
                steps = ", ".join(node.name for node in find(name).nodes)
                self.stdout.write(f"{name} {registry.versions(name)}: {steps}")
            return
        self.stdout.write(f"{len(names)} workflows are sound")  # an unsound one fails at import
        if live:
            self._check_live()

    def _check_live(self) -> None:
        missing = stranded_by_code()
        for (workflow, version, step), count in sorted(missing.items()):
            what = f"step {step}" if step else "the whole version"
            self.stdout.write(f"{workflow} version {version}: {what} is missing, {count} live runs need it")
        if missing:
            raise CommandError(
                "Live runs need code that is not here: keep the old version beside the new one until they have "
                "ended, or cancel them."
            )
        self.stdout.write("live runs have all the code that they need")
