"""Writes the sample document anew; only needed after its words or its looks were changed."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from documents.samples.build import SAMPLE, build_sample


class Command(BaseCommand):
    help = "Write the sample document (documents/samples/lease-agreement.pdf)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, default=SAMPLE, help="where to write it")

    def handle(self, *args: Any, **options: Any) -> None:
        content = build_sample()
        options["output"].write_bytes(content)
        self.stdout.write(f"{options['output']}: {len(content):,} bytes")
