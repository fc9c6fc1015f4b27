"""Start the analysis of a stored document, which goes when no run will read it, and only then."""

import logging

from django.contrib.auth.models import User
from django.db import Error, connection

from documents.flows import document_analysis
from documents.uploads import DocumentInput, discard
from workflows.errors import EngineError
from workflows.models import Run
from workflows.services import Request, start
from workflows.telemetry import Trace

logger = logging.getLogger(__name__)


def start_analysis(
    document: DocumentInput,
    *,
    owner: User,
    title: str | None = None,
    request: Request | None = None,
    called_from: Trace | None = None,
) -> Run:
    """The run that analyses `document`; of a request that came before, the run that it had. Raises as `start`."""
    before = connection.connection
    try:
        run = start(
            document_analysis,
            input=document,
            owner=owner,
            title=title,
            request=request,
            called_from=called_from,
        )
    except EngineError:
        discard(document)
        raise
    except Exception:
        # Django drops a connection that it cannot roll back. The server may be committing all the same.
        found = _run_all_the_same(document, owner, may_still_come=connection.connection is not before)
        if found is None:
            raise
        return found
    if run.input != document.model_dump(mode="json"):
        discard(document)  # the same request came before, and its run has its own copy
    return run


def _run_all_the_same(document: DocumentInput, owner: User, *, may_still_come: bool) -> Run | None:
    """The run of a commit whose answer was lost. Without one the document goes, unless the commit may still come."""
    try:
        runs = Run.objects.filter(owner=owner, workflow=document_analysis.name)
        found = runs.filter(input__storage_name=document.storage_name).first()
    except Error:  # still away: the caller hears of the first error
        found, may_still_come = None, True
    if found is None and may_still_come:
        logger.warning("document kept: its run may have been started", extra={"file": document.storage_name})
    elif found is None:
        discard(document)
    return found
