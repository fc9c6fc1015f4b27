"""Doubles for what a test must steer: records without a database."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from streaming.parsers import Op
from workflows.engine.budget import Used
from workflows.engine.items import Change, CommittedItem, NewItem


class FakeRecords:
    """What a handler reads and writes, in memory."""

    def __init__(
        self,
        *,
        input: Any = None,
        outputs: dict[str, Any] | None = None,
        earlier: Iterable[CommittedItem] = (),
    ) -> None:
        self.input = input or {}
        self.outputs = outputs or {}
        self.earlier = list(earlier)
        self.unknown = False
        self.committed: list[Change] = []
        self.batches: list[int] = []
        self.said: list[str] = []
        self.saved: list[dict[str, Any]] = []
        self.usages: list[dict[str, Any]] = []
        self.used = Used()
        self.touched = 0
        self.shown: list[dict[str, Any]] = []
        self.partials: list[tuple[int, int, list[Op]]] = []
        self.hidden: list[tuple[int, int]] = []
        self.takes_partials = True
        self.on_commit: Callable[[], None] = lambda: None

    def read_input(self) -> Any:
        return self.input

    def read_output(self, step_name: str) -> Any:
        return self.outputs[step_name]

    def read_outputs(self, step_name: str) -> list[Any]:
        return list(self.outputs[step_name])

    def read_item(self) -> tuple[str, Any]:
        raise LookupError("no part of a fan-out")

    def outcome_unknown(self) -> bool:
        return self.unknown

    def read_next_index(self) -> int:
        return len(self.read_items(""))

    def read_items(self, step_name: str) -> list[CommittedItem]:
        fresh = [change for change in self.committed if isinstance(change, NewItem)]
        return [
            *self.earlier,
            *(
                CommittedItem(index=index, key=item.key, value=item.value)
                for index, item in enumerate(fresh, len(self.earlier))
            ),
        ]

    def commit_items(self, changes: list[Change]) -> None:
        self.on_commit()
        self.committed.extend(changes)
        self.batches.append(len(changes))

    def say(self, template: str, params: dict[str, Any]) -> None:
        self.said.append(template.format(**params))

    def save_progress(self, progress: dict[str, Any]) -> None:
        self.saved.append(progress)

    def save_usage(self, usage: dict[str, Any]) -> None:
        self.usages.append(usage)

    def read_used(self) -> Used:
        return self.used

    def touch(self) -> None:
        self.touched += 1

    def show_progress(self, progress: dict[str, Any]) -> None:
        self.shown.append(progress)

    def show_partial(self, index: int, rev: int, ops: Sequence[Op], whole: Any) -> bool:
        self.partials.append((index, rev, copy.deepcopy(list(ops))))  # the value goes on growing
        return self.takes_partials

    def hide_partial(self, index: int, rev: int) -> None:
        self.hidden.append((index, rev))
