"""django-fsm's mixin, field and decorator: the library's own, and typed stand-ins for the type checker.

The library's annotations make mixin and field `Any`, and every model built on them with it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

Method = TypeVar("Method", bound=Callable[..., None])

if TYPE_CHECKING:

    class ConcurrentTransitionMixin:
        """Refuses a save whose row has another state by now than the object had when it was read."""

    class FSMField(models.CharField[str, str]):
        def __init__(self, *, protected: bool, **options: Any) -> None: ...

    def transition(
        *, field: FSMField, source: str | Sequence[str], target: str
    ) -> Callable[[Method], Method]: ...

else:
    from django_fsm import ConcurrentTransitionMixin, FSMField, transition

__all__ = ["ConcurrentTransitionMixin", "FSMField", "transition"]
