"""A small reference model of a run: what the engine must come to, said as plainly as can be, without database or time.

It shares no code with the engine. `Oracle` is told what happens; its `run` and `steps` say what must be true then.
"""

from dataclasses import dataclass, field

TERMINAL_RUN = {"completed", "failed", "cancelled", "compensated", "compensation_failed"}
DONE = {"completed", "skipped"}


@dataclass
class Node:
    """A step. attempts: that it may make in a round; made: in this round; total, undos: ever."""

    name: str
    stage: int
    branch: int
    undoable: bool
    attempts: int
    final: bool = False  # pivot or retry-only
    state: str = "pending"
    held: bool = False
    unsure: bool = False
    made: int = 0
    total: int = 0
    undos_made: int = 0
    backs_off: bool = False

    @property
    def owes_undo(self) -> bool:
        ended = self.state in {"completed", "failed", "cancelled", "skipped", "pending"}
        return self.undoable and ended and (self.state == "completed" or self.unsure)


@dataclass
class Oracle:
    nodes: list[Node]
    undoes: bool  # on_failure="compensate"
    undo_attempts: int
    state: str = "pending"
    broken: bool = False
    undo_when_quiet: bool = False
    ends: int = 0  # rounds that ended
    order: list[str] = field(default_factory=list)  # of undos, as they ended

    def __post_init__(self) -> None:
        self._move()

    # --- what happens -----------------------------------------------------------------------------------------

    def claimable(self) -> list[Node]:
        forward = [node for node in self.nodes if node.state == "ready"]
        back = [
            node
            for node in self.nodes
            if node.state == "compensating" and not node.held and not node.backs_off
        ]
        return forward + back

    def claim(self, node: Node) -> None:
        node.held = True
        if node.state == "ready":
            node.state, node.made, node.total = "running", node.made + 1, node.total + 1
            if self.state == "pending":
                self.state = "running"
        else:
            node.undos_made += 1

    def succeed(self, node: Node) -> None:
        node.held = False
        if node.state == "running":
            node.state, node.unsure = "completed", False
        else:
            node.state, node.unsure = "compensated", False
            self.order.append(node.name)
        self._move()

    def fail(self, node: Node, *, retryable: bool, unsure: bool = False) -> None:
        node.held = False
        if node.state == "compensating":
            node.backs_off = retryable and node.undos_made < self.undo_attempts
            node.state = "compensating" if node.backs_off else "compensation_failed"
        elif self.state == "cancelling":
            node.state, node.unsure = "cancelled", True
        else:
            node.unsure = node.unsure or unsure
            again = retryable and node.made < node.attempts
            node.state = "retrying" if again else "failed"
            self.broken = self.broken or not again
        self._move()

    def wake(self, node: Node) -> None:
        """Its back-off is over."""
        if node.state == "retrying":
            node.state = "ready"
        node.backs_off = False

    def has_moved(self) -> bool:
        return any(node.total for node in self.nodes)

    def can_cancel(self) -> bool:
        return self.state in {"pending", "running"}

    def cancel(self, *, undo: bool) -> None:
        self.state, self.undo_when_quiet = "cancelling", undo
        self._move()

    def was_cancelled(self) -> bool:
        """A second cancel is answered like the first."""
        return self.state in {"cancelling", "cancelled"} or (
            self.undo_when_quiet and self.state.startswith("compensat")
        )

    def can_retry(self) -> bool:
        return self.state in {"failed", "cancelled"} and not any(
            node.state.startswith("compensat") for node in self.nodes
        )

    def retry(self) -> None:
        for node in self.nodes:
            if node.state in {"failed", "cancelled", "pending"}:
                node.state, node.made = "pending", 0
        self.state, self.broken, self.undo_when_quiet = "running", False, False
        self._move()

    def can_compensate(self) -> bool:
        if self.state == "compensation_failed":
            return True
        return self.state in {"failed", "cancelled", "completed"} and self._can_undo()

    def compensate(self) -> None:
        self._turn_round()

    # --- what follows -----------------------------------------------------------------------------------------

    def _move(self) -> None:
        if self.state == "compensating":
            self._undo_next()
        elif self.broken or self.state == "cancelling":
            self._come_to_rest()
        else:
            self._open_next()

    def _open_next(self) -> None:
        left = [node for node in self.nodes if node.state not in DONE]
        if not left:
            self._end("completed")
            return
        stage = min(node.stage for node in left)
        for branch in {node.branch for node in left if node.stage == stage}:
            first = next(node for node in left if (node.stage, node.branch) == (stage, branch))
            if first.state == "pending":
                first.state = "ready"

    def _come_to_rest(self) -> None:
        for node in self.nodes:
            if node.state in {"ready", "retrying"}:
                node.state = "cancelled" if self.state == "cancelling" else "pending"
        if any(node.held for node in self.nodes):
            return
        wanted = self.undo_when_quiet if self.state == "cancelling" else self.undoes
        if wanted and self._can_undo():
            self._turn_round()
        elif self.state == "cancelling":
            for node in self.nodes:
                if node.state == "pending":
                    node.state = "cancelled"
            self._end("cancelled")
        else:
            self._end("failed")

    def is_past_return(self) -> bool:
        final = [node for node in self.nodes if node.final]
        return any(node.state in {"completed", "running"} or node.unsure for node in final)

    def _can_undo(self) -> bool:
        return not self.is_past_return() and any(node.owes_undo for node in self.nodes)

    def _turn_round(self) -> None:
        self.state = "compensating"
        for node in self.nodes:
            if node.state == "pending" and not node.owes_undo:
                node.state = "cancelled"
            if node.state == "compensation_failed":
                self._open_undo(node)
        self._undo_next()

    def _open_undo(self, node: Node) -> None:
        node.state, node.undos_made, node.backs_off = "compensating", 0, False

    def _undo_next(self) -> None:
        at_work = [node for node in self.nodes if node.state == "compensating"]
        stuck = [node for node in self.nodes if node.state == "compensation_failed"]
        owed = [node for node in self.nodes if node.owes_undo]
        if not owed and not at_work and not stuck:
            self._end("compensated")
            return
        stage = max(node.stage for node in [*owed, *at_work, *stuck])
        busy = {node.branch for node in [*at_work, *stuck] if node.stage == stage}
        free = {node.branch for node in owed if node.stage == stage} - busy
        for branch in free:
            self._open_undo([node for node in owed if (node.stage, node.branch) == (stage, branch)][-1])
        if not at_work and not free:
            self._end("compensation_failed")

    def _end(self, state: str) -> None:
        self.state, self.broken = state, False
        self.ends += 1
