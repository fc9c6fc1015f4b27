"""How many pieces of an attempt were no items, and what its step does about that."""

from workflows.conf import conf
from workflows.definitions import FailAfter, OnRejected, ReAsk
from workflows.errors import Retryable


class Rejections:
    """Counts over all answers of one attempt."""

    def __init__(self, policy: OnRejected) -> None:
        self._reask = policy if isinstance(policy, ReAsk) else None
        self._end = policy.then if isinstance(policy, ReAsk) else policy
        self._asked = self._rejected = 0

    def reask(self) -> ReAsk | None:
        """How to ask for one more item again; None: it is rejected at once."""
        if self._reask is None or self._asked >= self._reask.at_most:
            return None
        self._asked += 1
        return self._reask

    def add(self) -> None:
        """One was rejected and announced. Raises Retryable when that was one too many."""
        self._rejected += 1
        # A model that fell into a loop would write event after event.
        limit = conf().rejected_max_items
        if isinstance(self._end, FailAfter):
            limit = min(limit, self._end.count)
        if self._rejected >= limit:
            pieces = "1 piece" if self._rejected == 1 else f"{self._rejected} pieces"
            raise Retryable(
                f"{pieces} of the model's answer could not be used, and this step takes no more of that; "
                "what was good is kept.",
                code="too-many-rejected",
            )
