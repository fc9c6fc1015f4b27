"""Errors as RFC 9457 problems: one slug for each kind of error, the same for machines and in the documentation."""

from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from streaming.gateway import Refused
from workflows.api.asked import now_asked
from workflows.api.permissions import ScopeMissing
from workflows.engine.storable import storable
from workflows.errors import (
    InvalidInput,
    InvalidTransition,
    KeyReused,
    StoredValueLost,
    Unavailable,
    UniqueKeyConflict,
    UnknownWorkflow,
)
from workflows.models import Run
from workflows.problem_kinds import KINDS

CONTENT_TYPE = "application/problem+json"
AWAY_SECONDS = 10  # after which to ask again for what a server that is away is needed

_SLUG_OF_STATUS = {kind.status: slug for slug, kind in reversed(KINDS.items())}


def problem_body(slug: str, detail: str, *, status: int | None = None, **extras: Any) -> dict[str, Any]:
    """The body of a problem. `detail`: what happened and the way out, for a person; it may quote what was sent.

    status: by default the kind's own. Raises KeyError for a slug that is not among the kinds: its `type` would
    lead nowhere.
    """
    kind, asked = KINDS[slug], now_asked()
    body: dict[str, Any] = {
        "type": f"/docs/problems/{slug}",
        "title": kind.title,
        "status": status or kind.status,
        "detail": detail,
        "code": slug,
        "request_id": asked.id if asked else str(uuid4()),
        **({"instance": asked.path} if asked else {}),
        **extras,
    }
    return {name: storable(value) for name, value in body.items()}  # half a surrogate pair is not sent either


def problem(slug: str, detail: str, *, status: int | None = None, **extras: Any) -> Response:
    """A DRF response."""
    body = problem_body(slug, detail, status=status, **extras)
    return Response(body, status=body["status"], content_type=CONTENT_TYPE)


def plain_problem(slug: str, detail: str, *, status: int | None = None, **extras: Any) -> JsonResponse:
    """The same outside DRF, for the asynchronous views."""
    body = problem_body(slug, detail, status=status, **extras)
    return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE)


@csrf_exempt  # there is nothing to protect, and the refusal would be a page
def no_such_address(request: HttpRequest) -> JsonResponse:
    """Whatever else is asked for below the API: an answer that a program reads."""
    return plain_problem("not-found", f"There is nothing at {request.path}.")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: every error that leaves a view becomes a problem."""
    if (known := _engine_problem(error)) is not None:
        return known
    match error:
        case Http404() | Run.DoesNotExist():  # the latter: it was erased since we looked
            return problem("not-found", "There is nothing at this address that you may see.")
        case RequestDataTooBig():
            return problem("payload-too-large", "The body is larger than this service reads.")
        case SuspiciousOperation():
            return problem(
                "validation-error", "The request has more fields or files than this service reads."
            )
        case ScopeMissing():
            return problem("permission-denied", str(error.detail), required_scope=error.scope)
        case PermissionDenied() | exceptions.PermissionDenied():
            which = f" {error.args[0]}" if error.args else " for this"
            return problem(
                "permission-denied", f"Your account lacks the permission{which}; ask an administrator."
            )
    response = drf_exception_handler(error, context)
    if response is None:
        return None  # an unknown error stays one: Django answers 500 and logs it
    slug = _SLUG_OF_STATUS.get(response.status_code, "validation-error")
    answer = problem(slug, _sentence(error), status=response.status_code)
    for header in ("WWW-Authenticate", "Retry-After", "Allow"):
        if header in response.headers:
            answer[header] = response.headers[header]
    return answer


def _engine_problem(error: Exception) -> Response | None:
    match error:
        case InvalidTransition():
            return problem(
                "invalid-transition",
                f"{error}.",
                current_state=error.current_state,
                allowed_actions=error.allowed_actions,
            )
        case InvalidInput():
            faults = [
                {"pointer": pointer, "code": code, "detail": detail} for pointer, code, detail in error.errors
            ]
            return problem("validation-error", f"{error}.", errors=faults)
        case UniqueKeyConflict():
            return problem("unique-key-conflict", f"{error}.", existing_run=str(error.existing))
        case KeyReused():
            return problem("idempotency-key-reused", f"{error}.")
        case Refused():
            return problem(error.slug, error.detail, status=error.status, **error.extras)
        case StoredValueLost():
            return problem("result-lost", error.detail)
        case UnknownWorkflow():
            return problem("unknown-workflow", f"{error}.")
        case Unavailable():
            answer = problem("overloaded", f"{error}.")
            answer["Retry-After"] = str(AWAY_SECONDS)
            return answer
    return None


def _sentence(error: Exception) -> str:
    detail = getattr(error, "detail", str(error))
    return str(detail) if not isinstance(detail, list | dict) else "; ".join(map(str, detail))
