"""What a parser has found so far: results in order, counts, and the end they add up to."""

import re
from typing import Any, Literal

from streaming.parsers.base import End, Parsed, Position, Reason, Rejected, Result
from streaming.parsers.limits import Limits

FENCE = re.compile(r"(?:`{3,}|~{3,})\s*\w*")
# Limits of the whole answer: this rejection is the last result.
ENDING = (Reason.TOO_MANY_ITEMS, Reason.DOCUMENT_TOO_LONG)
# What a database refuses, in a text that is kept as it was written.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Collector:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._results: list[Result] = []
        self._items = self._rejected = 0
        self._prose: list[str] = []
        self._prose_room = limits.max_prose_bytes
        self.is_stopped = False

    @property
    def is_full(self) -> bool:
        return self._items >= self._limits.max_items

    def drain(self) -> list[Result]:
        results, self._results = self._results, []
        return results

    def item(self, value: dict[str, Any], position: Position) -> None:
        if self.is_stopped:
            return
        self._items += 1
        self._results.append(Parsed(value, position))

    def reject(
        self, reason: Reason, position: Position, raw: str, *, size: int = 0, detail: str = ""
    ) -> None:
        """size: bytes of the whole piece, where `raw` is only its beginning or its bytes are not UTF-8."""
        if self.is_stopped:
            return
        self._rejected += 1
        encoded = UNSTORABLE.sub("\ufffd", raw.removesuffix("\n")).encode()
        kept = encoded[: self._limits.max_raw_bytes].decode(errors="ignore")
        self._results.append(Rejected(reason, position, kept, size or len(encoded), detail))
        self.is_stopped = reason in ENDING

    def prose(self, text: str) -> None:
        """Keep what stands around the objects, within its limit. A fence says nothing and is dropped."""
        text = UNSTORABLE.sub("\ufffd", text.strip())
        if not text or FENCE.fullmatch(text) or self._prose_room <= 0:
            return
        kept = text.encode()[: self._prose_room].decode(errors="ignore")
        self._prose_room -= len(kept.encode()) + 1
        self._prose.append(kept)

    def end(self, *, truncated: bool, replaced: int) -> End:
        return End(
            kind=self._kind(truncated=truncated),
            items=self._items,
            rejected=self._rejected,
            replaced=replaced,
            prose="\n".join(self._prose),
        )

    def _kind(self, *, truncated: bool) -> Literal["complete", "truncated", "invalid"]:
        if self.is_stopped:
            return "invalid"
        if truncated:
            return "truncated"
        is_nothing_readable = not self._items and (self._rejected or self._prose)
        return "invalid" if is_nothing_readable else "complete"
