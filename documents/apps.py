"""The document service as a Django app."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "documents"
    verbose_name = "Documents"

    def ready(self) -> None:
        from documents.problems import KINDS
        from workflows.problem_kinds import register

        register(KINDS)
