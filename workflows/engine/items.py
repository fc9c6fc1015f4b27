"""Items on their way to their rows, and what a retried step does with those it yielded before. Pure."""

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from outbox import wire

# Keys are columns with an index: a longer one is replaced by its hash.
KEY_MAX_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class NewItem:
    key: str
    type: str
    value: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReplacedItem:
    """An item of an earlier attempt, yielded again under its declared key with other content."""

    index: int
    key: str
    value: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RejectedItem:
    """Something that was to be an item and is none. position: bytes into the answer. raw: cut for the event."""

    position: int
    reason: str
    raw: str
    raw_size: int


Change = NewItem | ReplacedItem | RejectedItem


@dataclass(frozen=True, kw_only=True)
class CommittedItem:
    """An item as an earlier attempt left it."""

    index: int
    key: str
    value: dict[str, Any]


def item_key(value: dict[str, Any], *, field: str | None) -> str:
    """The identity of an item over attempts: the declared field's value, else the hash of its canonical JSON."""
    if field is not None:
        declared = str(value[field])
        if len(declared) <= KEY_MAX_CHARS:
            return declared
        return hashlib.sha256(declared.encode()).hexdigest()
    return hashlib.sha256(wire.encode(value)).hexdigest()


class Keeper:
    """The policy `keep`: what an earlier attempt committed is not written again.

    Earlier items are a multiset: two equal ones answer two equal yields, and the third is new. Items of the present
    attempt are never compared, since a document may well say the same thing twice.
    """

    def __init__(self, earlier: Iterable[CommittedItem]) -> None:
        self._earlier: dict[str, deque[CommittedItem]] = defaultdict(deque)
        for item in earlier:
            self._earlier[item.key].append(item)

    def admit(self, item: NewItem) -> NewItem | ReplacedItem | None:
        """What to write for a yielded item: itself, a replacement of the earlier one, or nothing."""
        known = self._earlier.get(item.key)
        if not known:
            return item
        earlier = known.popleft()
        if wire.encode(earlier.value) == wire.encode(item.value):
            return None
        return ReplacedItem(index=earlier.index, key=item.key, value=item.value)
