"""Addresses that are no classes of DRF, in the description all the same."""

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.views import APIView

View = TypeVar("View", bound=Callable[..., Any])


def described(view: View, method: str = "get") -> View:
    """The view itself, with what drf-spectacular looks for: a class of DRF as its `cls`."""

    def stand_in(self: APIView, request: Any, **parts: Any) -> None:
        raise NotImplementedError("only described, never called")

    view.cls = type("Described", (APIView,), {method: stand_in})  # type: ignore[attr-defined]
    view.initkwargs = {}  # type: ignore[attr-defined]
    return view
