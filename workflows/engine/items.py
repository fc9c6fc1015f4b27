"""Items on their way to their rows, and what a retried step does with those it yielded before. Pure."""

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from outbox import wire
from workflows.definitions import OnRetry

# Keys are columns with an index: a longer one is replaced by its hash.
KEY_MAX_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """That an item is not what the model wrote at first.

    by: `respelling`, where it was almost JSON; `asking`, where the model was asked for it again.
    position: bytes of the answer before it.  size, sha256: of what was written at first, in UTF-8.
    """

    by: Literal["respelling", "asking"]
    position: int
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class NewItem:
    key: str
    type: str
    value: dict[str, Any]
    repaired: Repaired | None = None


@dataclass(frozen=True, kw_only=True)
class ReplacedItem:
    """An item of an earlier attempt, yielded again under its declared key with other content."""

    index: int
    key: str
    value: dict[str, Any]
    repaired: Repaired | None = None


@dataclass(frozen=True, kw_only=True)
class RejectedItem:
    """Something that was to be an item and is none. position: bytes into the answer. raw: cut for the event."""

    position: int
    reason: str
    raw: str
    raw_size: int


@dataclass(frozen=True, kw_only=True)
class RetractedItem:
    """An item of an earlier attempt that a finished one, which began from nothing, did not yield again."""

    index: int
    key: str
    value: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ItemsReset:
    """Before the first item of an attempt: of the earlier ones, those above `keep_through` (-1: all) are replaced."""

    policy: Literal["replace", "append"]
    keep_through: int


Change = NewItem | ReplacedItem | RejectedItem | RetractedItem | ItemsReset


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
    return digest(value).hex()


def digest(value: Mapping[str, Any]) -> bytes:
    """Of the canonical JSON: to tell the same content without holding it twice."""
    return hashlib.sha256(wire.encode(value)).digest()


class Policy(Protocol):
    """What the items of earlier attempts are to the present one."""

    def admit(self, item: NewItem) -> list[Change]:
        """What to write for a yielded item, in this order; nothing if it is there already."""

    def finish(self) -> list[Change]:
        """What is left to write once the body has ended well."""

    def tell(self) -> list[CommittedItem]:
        """What is done already, for a body or a model that goes on after it."""


def policy_for(on_retry: OnRetry, earlier: Sequence[CommittedItem]) -> Policy:
    """earlier: the current items of the attempts before, in order of index; none for a first attempt."""
    return Keeper(earlier) if on_retry == "keep" else Resetter(on_retry, earlier)


class Keeper:
    """The policy `keep`: what an earlier attempt committed is not written again.

    Earlier items are a multiset: two equal ones answer two equal yields, and the third is new. Of several under one key
    that of the same content is taken, else the first. Items of the present attempt are never compared, since a document
    may well say the same thing twice.
    """

    def __init__(self, earlier: Iterable[CommittedItem]) -> None:
        """earlier: in order of index."""
        self._all = list(earlier)
        self._by_key: dict[str, deque[CommittedItem]] = defaultdict(deque)
        self._by_content: dict[tuple[str, bytes], deque[CommittedItem]] = defaultdict(deque)
        for item in self._all:
            self._by_key[item.key].append(item)
            self._by_content[item.key, digest(item.value)].append(item)
        self._taken: set[int] = set()  # indexes; a queue gives up those that the other one gave
        self._is_told = False

    def admit(self, item: NewItem) -> list[Change]:
        if self._take(self._by_content.get((item.key, digest(item.value)))):
            return []
        earlier = self._take(self._by_key.get(item.key))
        if earlier is None:
            return [item]
        return [ReplacedItem(index=earlier.index, key=item.key, value=item.value, repaired=item.repaired)]

    def finish(self) -> list[Change]:
        """Retract what was not yielded again; nothing if the attempt was told of it, since it was to go on after it."""
        if self._is_told:
            return []
        left = (item for item in self._all if item.index not in self._taken)
        return [RetractedItem(index=item.index, key=item.key, value=item.value) for item in left]

    def _take(self, known: deque[CommittedItem] | None) -> CommittedItem | None:
        while known:
            item = known.popleft()
            if item.index not in self._taken:
                self._taken.add(item.index)
                return item
        return None

    def tell(self) -> list[CommittedItem]:
        """All earlier items. From now on they stay, whatever the attempt yields."""
        self._is_told = True
        return list(self._all)


class Resetter:
    """The policies `replace` and `append`: each attempt writes all that it yields, after one word on the earlier ones.

    Until its first item they stay as they are, so that an attempt that comes to nothing takes nothing away.
    """

    def __init__(self, policy: Literal["replace", "append"], earlier: Sequence[CommittedItem]) -> None:
        self._policy = policy
        self._last = earlier[-1].index if earlier else -1
        self._is_due = bool(earlier)

    def admit(self, item: NewItem) -> list[Change]:
        return [*self._reset(), item]

    def finish(self) -> list[Change]:
        """An attempt that ends well without an item replaces the earlier ones by none."""
        return self._reset() if self._policy == "replace" else []

    def tell(self) -> list[CommittedItem]:
        return []  # each attempt begins from nothing

    def _reset(self) -> list[Change]:
        if not self._is_due:
            return []
        self._is_due = False
        return [ItemsReset(policy=self._policy, keep_through=self._last if self._policy == "append" else -1)]
