"""Every kind of problem: what answers carry, and what `/docs/problems/<slug>` says about it.

An app brings kinds of its own with `register`, at start, and raises them by their slug.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`status`: of the HTTP answer. The rest are sentences for a person who met the problem."""

    status: int
    title: str
    meaning: str
    remedy: str


# By slug. Public API: slugs are only ever added. The first of a status is what an error without a slug becomes.
KINDS: dict[str, Kind] = {
    "validation-error": Kind(
        status=400,
        title="The request does not fit",
        meaning="A part of the request is missing, unknown, of the wrong type or out of range. Nothing was done.",
        remedy="Read “detail” and “errors”: each error names the place (“pointer”) and what is wrong there. "
        "Mend it and send the request again.",
    ),
    "not-authenticated": Kind(
        status=401,
        title="Sign in first",
        meaning="The request came without a session, an API token, or a name and password that are known here.",
        remedy="Sign in at /login/, send an API token (“Authorization: Bearer”), "
        "or a name and a password with HTTP Basic.",
    ),
    "permission-denied": Kind(
        status=403,
        title="You may not do this",
        meaning="You are signed in, but your account lacks the permission, or your API token or share link the scope; "
        "or a form came without its CSRF token.",
        remedy="Ask an administrator for the permission. A token: make one with the scope in “required_scope”. "
        "A page that was open for long: load it again.",
    ),
    "not-found": Kind(
        status=404,
        title="There is no such thing here",
        meaning="Nothing is at this address, or what is there belongs to somebody else: "
        "the answer is the same, so that nobody can find out what exists.",
        remedy="Check the address and the id, and that you are signed in as the person who started the run.",
    ),
    "unknown-workflow": Kind(
        status=404,
        title="There is no such workflow",
        meaning="No workflow of this name, or not in this version, is installed on the server.",
        remedy="GET /api/v1/workflows lists the names and versions that can be started.",
    ),
    "no-such-part": Kind(
        status=404,
        title="The result has no such part",
        meaning="The pointer leads to nothing: the result has no member of this name, or fewer entries than that.",
        remedy="“nearest” is how far the pointer leads. Ask with it as the “pointer” to see what is there; "
        "indexes begin at 0, and names are as the result writes them.",
    ),
    "method-not-allowed": Kind(
        status=405,
        title="This address does not take that method",
        meaning="The address exists, but not for this HTTP method.",
        remedy="The header “Allow” of the answer lists the methods that it takes.",
    ),
    "not-acceptable": Kind(
        status=406,
        title="None of these formats is served here",
        meaning="The request's header “Accept” names only formats that this address does not have.",
        remedy="“detail” lists the formats; ask for one of them, or leave the header out.",
    ),
    "invalid-transition": Kind(
        status=409,
        title="The run's state does not allow this",
        meaning="The run has moved on since you looked: for example, a run that has completed cannot be cancelled.",
        remedy="“current_state” says how the run is now, “allowed_actions” what can be done with it.",
    ),
    "run-not-finished": Kind(
        status=409,
        title="The run has not finished",
        meaning="You asked for a result or a report that is written only when the run has completed.",
        remedy="With a header “Retry-After”: ask again after so many seconds, or follow the run's events. "
        "Without one the run ended before it had a result; “current_state” says how.",
    ),
    "unique-key-conflict": Kind(
        status=409,
        title="A live run has this unique key",
        meaning="Only one run with a unique key is at work at a time, and “existing_run” already is.",
        remedy="Follow that run, wait for its end, or start with “on_conflict” as “return” or “cancel_existing”.",
    ),
    "result-lost": Kind(
        status=410,
        title="The result is no longer there",
        meaning="There was a result, but the run was undone, or its stored file is missing or damaged.",
        remedy="Run it again for a new one. Missing files that nobody removed: tell an administrator.",
    ),
    "cursor-expired": Kind(
        status=410,
        title="The log does not go on from your cursor",
        meaning="The events after your cursor are no longer kept; or the database was restored to an earlier point, "
        "and your cursor is of the log that was there before.",
        remedy="Forget what you read so far, read the run's “snapshot”, and follow its events from the seq and epoch "
        "given there. The events that are still kept begin with “oldest_seq”.",
    ),
    "payload-too-large": Kind(
        status=413,
        title="The request is too large",
        meaning="The body, or the document in it, is larger than the server takes; “limit_bytes” says how much it is.",
        remedy="Send less: a document in parts, or in a lower resolution.",
    ),
    "unsupported-media-type": Kind(
        status=415,
        title="This type of content is not taken",
        meaning="The body came with a “Content-Type” that this address does not read.",
        remedy="Send application/json; a document as multipart/form-data in a field named “file”.",
    ),
    "idempotency-key-reused": Kind(
        status=422,
        title="This idempotency key came with another request",
        meaning="The same “Idempotency-Key” was sent before, with another body. Nothing was done this time.",
        remedy="A new request needs a new key. A repetition must have the same body as the first one.",
    ),
    "rate-limited": Kind(
        status=429,
        title="Too many requests",
        meaning="More requests came than the server takes in so short a time.",
        remedy="Wait for the seconds in “Retry-After”, then go on more slowly.",
    ),
    "server-error": Kind(
        status=500,
        title="Something went wrong here",
        meaning="The server met an error that it did not expect. It was noted in the log.",
        remedy="Try again in a while. If it stays, tell an administrator the time.",
    ),
    "overloaded": Kind(
        status=503,
        title="The service is overloaded",
        meaning="The server, or the database behind it, has no room for the request just now, "
        "or one that it needs is away. No run is lost by it.",
        remedy="Try again after the seconds in “Retry-After”. A run that had started goes on meanwhile.",
    ),
}


def register(kinds: Mapping[str, Kind]) -> None:
    """Add the kinds of an app. Raises ValueError for a slug that already means something else."""
    for slug, kind in kinds.items():
        if KINDS.setdefault(slug, kind) != kind:
            raise ValueError(f"the problem {slug} is already registered with another meaning")
