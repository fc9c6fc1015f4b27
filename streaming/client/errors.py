"""What can go wrong between a client and Longhaul. Every message is a sentence for a person.

ClientError
├── Refused        the server says no, and would say it again: wrong name, no such run, input that does not fit
├── Unreachable    no answer worth having within the client's patience
├── TimedOut       the run did not end within the time that the caller gave it
├── LogReset       the caller's cursor is not of this log: read the snapshot and go on from its cursor
├── LogIncomplete  the log is wanted from its start, which is no longer kept: read the snapshot instead
└── RunEnded       a result is wanted of a run that ended without one
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of all."""


class Refused(ClientError):
    """`status`: of the HTTP answer. `problem`: its document; `code`: the slug in it, "" where the answer had none."""

    def __init__(self, sentence: str, *, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", ""))


class Unreachable(ClientError):
    pass


class TimedOut(ClientError):
    pass


class LogReset(ClientError):
    pass


class LogIncomplete(ClientError):
    pass


class RunEnded(ClientError):
    """`state`: in which the run ended. `snapshot`: of that moment."""

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self.snapshot = dict(snapshot)
        self.state = str(snapshot["state"])
        why = snapshot.get("state_info") or "it has no result"
        super().__init__(f"the run ended {self.state}: {why}")


class Cut(Exception):
    """The line broke, or said nothing for too long: thrown into a conversation by who performs it, seen by no caller.

    `wish_seconds`: after which the server, if it said anything, wants us back.
    """

    def __init__(self, why: str, *, wish_seconds: float | None = None) -> None:
        super().__init__(why)
        self.wish_seconds = wish_seconds
