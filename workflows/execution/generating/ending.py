"""How an answer ended, and how one call of those that it took."""

from dataclasses import dataclass

from streaming.llm import Finish
from streaming.parsers import End


@dataclass(frozen=True, kw_only=True)
class Generated:
    """How an answer ended. finish_reason: as the provider said it.  calls: how often the model was asked for it.

    items: given to the handler.  rejected: pieces that were no items.  repaired: items that were no JSON as written.
    reasked: items that came right when they were asked for again.
    """

    finish_reason: str
    rejected: int
    items: int
    repaired: int
    reasked: int
    calls: int


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one call ended."""

    end: End
    finish: Finish | None

    @property
    def may_go_on(self) -> bool:
        is_filtered = self.finish is not None and self.finish.reason == "content_filter"
        return self.end.kind == "truncated" and not is_filtered
