"""What a parser has found so far: results in order, counts, and the end they add up to."""

import re
from collections.abc import Callable
from typing import Any, Literal

from streaming.parsers.base import End, Parsed, Position, Reason, Refused, Rejected, Result
from streaming.parsers.limits import Limits

FENCE = re.compile(r"(?:`{3,}|~{3,})\s*\w*")
# Limits of the whole answer: this rejection is the last result.
ENDING = (Reason.TOO_MANY_ITEMS, Reason.DOCUMENT_TOO_LONG)
# What a database refuses, in a text that is kept as it was written.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Collector:
    def __init__(self, limits: Limits, *, mend: Callable[[str], Any] | None = None) -> None:
        """mend: reads a piece that is no JSON, or raises Refused. None: such a piece is rejected."""
        self._limits = limits
        self._mend = mend
        self._results: list[Result] = []
        self._items = self._rejected = self._repaired = 0
        self._prose: list[str] = []
        self._prose_room = limits.max_prose_bytes
        self.is_stopped = False
        self.is_broken = False  # the document is no JSON between its values

    def drain(self) -> list[Result]:
        if not self._results:
            return []
        results, self._results = self._results, []
        return results

    def item(
        self,
        value: Any,
        position: Position,
        raw: str | bytes,
        pointer: str = "",
        path: str = "",
        key: str | None = None,
        *,
        repaired: bool = False,
    ) -> None:
        """raw: the text of the item, for the operator who wonders what there was too much of."""
        if self.is_stopped:
            return
        if self._items >= self._limits.max_items:
            self.reject(Reason.TOO_MANY_ITEMS, position, _text(raw), pointer, path)
            return
        self._items += 1
        self._repaired += repaired
        written = _text(raw) if repaired else ""
        self._results.append(Parsed(value, position, pointer, path, key, repaired, written))

    def reject(
        self,
        reason: Reason,
        position: Position,
        raw: str,
        pointer: str = "",
        path: str = "",
        *,
        size: int = 0,
        detail: str = "",
    ) -> None:
        """size: bytes of the whole piece, where `raw` is only its beginning or its bytes are not UTF-8."""
        if self.is_stopped:
            return
        self._rejected += 1
        encoded = UNSTORABLE.sub("\ufffd", raw.removesuffix("\n")).encode()
        kept = encoded[: self._limits.max_raw_bytes].decode(errors="ignore")
        self._results.append(Rejected(reason, position, kept, size or len(encoded), detail, pointer, path))
        self.is_stopped = reason in ENDING

    def refuse(
        self,
        refusal: Refused,
        position: Position,
        raw: str,
        pointer: str = "",
        path: str = "",
        key: str | None = None,
    ) -> None:
        """Reject a whole piece that could not be read, unless it may be mended."""
        if self._mend and refusal.reason is Reason.SYNTAX:
            try:
                value = self._mend(raw)
            except Refused:
                pass
            else:
                self.item(value, position, raw, pointer, path, key, repaired=True)
                return
        self.reject(refusal.reason, position, raw, pointer, path, detail=refusal.detail)

    def prose(self, text: str) -> None:
        """Keep what stands around the objects, within its limit. A fence says nothing and is dropped."""
        text = UNSTORABLE.sub("\ufffd", text.strip())
        if not text or FENCE.fullmatch(text) or self._prose_room <= 0:
            return
        kept = text.encode()[: self._prose_room].decode(errors="ignore")
        self._prose_room -= len(kept.encode()) + 1
        self._prose.append(kept)

    def end(self, *, truncated: bool, replaced: int, is_empty: bool | None = None) -> End:
        """is_empty: nothing that could be read was there; by default when there is no item, only other text."""
        if is_empty is None:
            is_empty = not self._items and bool(self._rejected or self._prose)
        return End(
            kind=self._kind(truncated=truncated, is_empty=is_empty),
            items=self._items,
            rejected=self._rejected,
            replaced=replaced,
            prose="\n".join(self._prose),
            repaired=self._repaired,
        )

    def _kind(self, *, truncated: bool, is_empty: bool) -> Literal["complete", "truncated", "invalid"]:
        if self.is_stopped or self.is_broken:
            return "invalid"
        if truncated:
            return "truncated"
        return "invalid" if is_empty else "complete"


def _text(raw: str | bytes) -> str:
    return raw if isinstance(raw, str) else raw.decode()
