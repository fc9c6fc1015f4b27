"""django-fsm's mixin, field and decorator: the library's own, and typed stand-ins for the type checker.

The library's annotations make mixin and field `Any`, and every model built on them with it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django_fsm.signals import post_transition

from workflows import telemetry

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


@dataclass(frozen=True)
class Move:
    """A transition in memory. source: None for a new row. act: its method. at: the method's `now`, if it took one."""

    source: str | None
    target: str
    act: str | None = None
    at: datetime | None = None


class StateMachine(ConcurrentTransitionMixin, models.Model):
    """Base of the models with states. The one place where transitions are told: noted when made, told once committed.

    Reading a deferred column is refused: it would reload the object, and the library then takes the state in memory
    for the one in the row, so that the next save compares with the wrong one.
    """

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        move = self.created() if self._state.adding else None
        super().save(*args, **options)
        fields = options.get("update_fields")
        if move is not None:
            telemetry.announce(self.told(move))
        if fields is None or "state" in fields:
            self.tell_moves()

    def told(self, move: Move) -> telemetry.Transition:
        """What is told of `move`; asked when the row is saved."""
        raise NotImplementedError

    def created(self) -> Move | None:
        """What is told of a new row beside its moves; None: nothing."""
        return None

    def tell_moves(self) -> None:
        """Tell of the moves since the last save. For rows that are inserted without `save()`."""
        for move in self.__dict__.pop("_moves", ()):
            telemetry.announce(self.told(move))

    def _update_initial_state(self) -> None:
        """Objects that Django reads only to delete them come without their state; they cannot be saved."""
        if not self.get_deferred_fields() & {field.attname for field in self.state_fields}:
            super()._update_initial_state()

    def refresh_from_db(self, *args: Any, **options: Any) -> None:
        fields = options.get("fields")
        if fields is not None and not set(fields) - self.get_deferred_fields():
            raise RuntimeError(f"{type(self).__name__}: {', '.join(fields)} was not read with its row")
        super().refresh_from_db(*args, **options)


def _note(
    sender: type, instance: Any, name: str, source: str, target: str, method_kwargs: dict[str, Any], **_: Any
) -> None:
    """The library says so before the save, which may fail: so it is noted here, and told there."""
    if isinstance(instance, StateMachine):
        move = Move(source, target, act=name, at=method_kwargs.get("now"))
        instance.__dict__.setdefault("_moves", []).append(move)


post_transition.connect(_note, dispatch_uid="workflows.note_moves")

__all__ = ["FSMField", "Move", "StateMachine", "transition"]
