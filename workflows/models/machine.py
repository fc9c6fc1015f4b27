"""django-fsm's mixin, field and decorator: the library's own, and typed stand-ins for the type checker.

The library's annotations make mixin and field `Any`, and every model built on them with it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

Method = TypeVar("Method", bound=Callable[..., None])

if TYPE_CHECKING:

    class ConcurrentTransitionMixin:
        """Refuses a save whose row has another state by now than the object had when it was read."""

        @property
        def state_fields(self) -> "Iterable[FSMField]": ...
        def _update_initial_state(self) -> None: ...

    class FSMField(models.CharField[str, str]):
        def __init__(self, *, protected: bool, **options: Any) -> None: ...

    def transition(
        *, field: FSMField, source: str | Sequence[str], target: str
    ) -> Callable[[Method], Method]: ...

else:
    from django_fsm import ConcurrentTransitionMixin, FSMField, transition


class StateMachine(ConcurrentTransitionMixin, models.Model):
    """Base of the models with states.

    Reading a deferred column is refused: it would reload the object, and the library then takes the state in memory
    for the one in the row, so that the next save compares with the wrong one.
    """

    class Meta:
        abstract = True

    def _update_initial_state(self) -> None:
        """Objects that Django reads only to delete them come without their state; they cannot be saved."""
        if not self.get_deferred_fields() & {field.attname for field in self.state_fields}:
            super()._update_initial_state()

    def refresh_from_db(self, *args: Any, **options: Any) -> None:
        fields = options.get("fields")
        if fields is not None and not set(fields) - self.get_deferred_fields():
            raise RuntimeError(f"{type(self).__name__}: {', '.join(fields)} was not read with its row")
        super().refresh_from_db(*args, **options)


__all__ = ["FSMField", "StateMachine", "transition"]
