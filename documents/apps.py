"""The document service as a Django app."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "documents"
    verbose_name = "Documents"

    def ready(self) -> None:
        from documents.described import document_operations
        from documents.problems import KINDS
        from workflows.api.description import operations
        from workflows.problem_kinds import register

        register(KINDS)
        operations.register(document_operations)
