import sys
from typing import Any

from django.core.management.base import BaseCommand

from config.diagnosis import diagnose
from config.inventory import settings_now


class Command(BaseCommand):
    help = (
        "Prints every setting with its value and where it came from, then asks each part whether it is well."
    )
    # What is wrong is what it is for: it must not refuse to start because of it.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for setting in settings_now():
            self.stdout.write(f"{setting.name:<46} {setting.source:<12} {setting.value}".rstrip())
            if setting.meaning and options["verbosity"] > 1:
                self.stdout.write(f"{'':<59} {setting.meaning}")
        self.stdout.write("")
        ill = 0
        for answer in diagnose():
            mark = "ok" if answer.is_well else "WRONG" if answer.is_fatal else "without"
            self.stdout.write(f"{answer.question:<12} {mark:<8} {answer.text}")
            ill += not answer.is_well and answer.is_fatal
        if ill:
            self.stderr.write(f"{ill} of them must be mended.")
            sys.exit(1)
