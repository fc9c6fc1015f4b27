"""What both clients need of httpx: who asks, how long a line may be silent, what a request and an answer are there."""

from collections.abc import Generator, Mapping
from typing import Any, TypedDict

import httpx

from streaming.client.effects import Answer, Request

# A token, a name with its password, or anything that httpx takes.
Auth = str | tuple[str, str] | httpx.Auth

OPEN_SECONDS = 10.0
ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 40.0  # two and a half heartbeats of the server as it comes


class StartOptions(TypedDict, total=False):
    """What else a run may be started with; `docs/verbs.md` says what each means. not_before: ISO 8601 with offset."""

    version: int
    title: str
    labels: Mapping[str, str]
    unique_key: str
    on_conflict: str
    not_before: str
    reason: str


class Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def options_of(url: str, *, auth: Auth | None, trust_env: bool) -> dict[str, Any]:
    """Of httpx's clients. Raises ValueError for an address that is none."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no address of a server: it begins with http:// or https://")
    return {
        "base_url": url,
        "auth": Bearer(auth) if isinstance(auth, str) else auth,
        "timeout": httpx.Timeout(ANSWER_SECONDS, connect=OPEN_SECONDS, pool=None),
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=20),
        "trust_env": trust_env,
    }


def sent(request: Request, *, base_url: httpx.URL, silence_seconds: float | None = None) -> dict[str, Any]:
    """Arguments of httpx's `build_request`. silence_seconds: for a stream, longest wait for its next bytes.

    Raises ValueError for a link to another server, who must not learn our credentials.
    """
    link = httpx.URL(request.path)
    if link.is_absolute_url and (link.scheme, link.netloc) != (base_url.scheme, base_url.netloc):
        raise ValueError(f"{request.path} is not on the server of this client")
    options = dict(request.options)
    if silence_seconds is not None:
        options["timeout"] = httpx.Timeout(silence_seconds, connect=OPEN_SECONDS, pool=None)
    return {
        "method": request.method,
        "url": link,
        "params": dict(request.query) or None,
        "headers": dict(request.headers),
        "json": request.json,
        **options,
    }


def answer_of(response: httpx.Response, body: bytes) -> Answer:
    return Answer(status=response.status_code, headers=dict(response.headers), body=body)


def said(error: httpx.RequestError) -> str:
    """Why the line broke; httpx's own text is empty for some."""
    return str(error) or type(error).__name__
