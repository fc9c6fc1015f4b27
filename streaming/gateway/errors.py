"""A refusal, as a value that each transport words in its own way."""

from typing import Any


class Refused(Exception):
    """A stream is not given. `slug` and `status` as in the table of problems; `detail`: a sentence, with the way out.

    An absent run and a foreign one are refused alike, so that nobody can tell them apart.
    """

    def __init__(self, slug: str, status: int, detail: str) -> None:
        super().__init__(detail)
        self.slug, self.status, self.detail = slug, status, detail

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 body, for where no HTTP answer can carry it."""
        return {
            "type": f"/docs/problems/{self.slug}",
            "title": TITLES[self.slug],
            "status": self.status,
            "detail": self.detail,
            "code": self.slug,
        }


TITLES = {
    "validation-error": "The request does not fit",
    "not-found": "There is no such thing here",
    "not-acceptable": "None of these formats is served here",
    "overloaded": "The service is overloaded",
}


def not_found() -> Refused:
    return Refused("not-found", 404, "There is no run of this id that you may see.")


def misfit(detail: str) -> Refused:
    return Refused("validation-error", 400, detail)
