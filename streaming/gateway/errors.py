"""A refusal, as a value that each transport words in its own way."""

from typing import Any


class Refused(Exception):
    """A stream is not given. `slug` and `status` as in the table of problems; `detail`: a sentence, with the way out;
    `extras`: what this kind of problem says besides.

    An absent run and a foreign one are refused alike, so that nobody can tell them apart.
    """

    def __init__(self, slug: str, status: int, detail: str, **extras: Any) -> None:
        super().__init__(detail)
        self.slug, self.status, self.detail, self.extras = slug, status, detail, extras

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 body, for where no HTTP answer can carry it."""
        return {
            "type": f"/docs/problems/{self.slug}",
            "title": TITLES[self.slug],
            "status": self.status,
            "detail": self.detail,
            "code": self.slug,
            **self.extras,
        }


TITLES = {
    "validation-error": "The request does not fit",
    "not-found": "There is no such thing here",
    "cursor-expired": "The log does not go on from your cursor",
    "not-acceptable": "None of these formats is served here",
    "rate-limited": "Too many requests",
    "overloaded": "The service is overloaded",
}


def not_found() -> Refused:
    return Refused("not-found", 404, "There is no run of this id that you may see.")


def misfit(detail: str) -> Refused:
    return Refused("validation-error", 400, detail)


def cursor_expired(*, pruned: int, snapshot: str) -> Refused:
    """pruned: events up to this number are no longer kept. snapshot: where to start anew."""
    detail = (
        "The log does not go on from this cursor: its next events are no longer kept, or it is of a log from before "
        "a restored backup. Read the snapshot, and go on from its seq and epoch."
    )
    return Refused("cursor-expired", 410, detail, oldest_seq=pruned + 1, snapshot=snapshot)
