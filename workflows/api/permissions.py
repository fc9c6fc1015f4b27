"""What each request takes of its caller's way in. What they may do to which run is decided by `workflows.rights`."""

from typing import Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from workflows.api.authentication import principal
from workflows.models import Scope
from workflows.principals import NOBODY


class ScopeMissing(PermissionDenied):
    """The API token was made without the scope that this takes. scope: which."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This API token lacks the scope “{scope}”: make one that has it.")
        self.scope = scope


class ScopedCallers(BasePermission):
    """Nobody who is not known, and no token without the scope: `read` to read, `act` to write.

    A view that writes otherwise says so: `write_scope = Scope.START`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        caller = principal(request)
        if caller == NOBODY:
            raise NotAuthenticated
        safe = request.method in SAFE_METHODS
        scope = Scope.READ if safe else getattr(view, "write_scope", Scope.ACT)
        if not caller.has(scope):
            raise ScopeMissing(scope)
        return True
