"""One try: a POST that follows nothing, waits a bounded time and reads a bounded answer. No database here."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import httpcore2 as httpcore

from outbox.webhooks.addresses import AddressRefused, Network, Target, parse_url
from outbox.webhooks.cloudevents import CONTENT_TYPE
from outbox.webhooks.connecting import CheckedBackend, Deadline, Resolve, resolve
from outbox.webhooks.outgoing import Outgoing
from outbox.webhooks.schedule import Answer, retry_after
from outbox.webhooks.signing import signed_headers

USER_AGENT = "Longhaul-Webhooks/1"
# The status is all that we want of an answer; this much is read so that an ordinary receiver may finish its own.
# Nothing of it is kept: what an address inside a network says must not show in an admin.
RESPONSE_MAX_BYTES = 16_384
ERROR_MAX_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class Limits:
    connect_seconds: float
    total_seconds: float
    allow_http: bool
    allowed_networks: Sequence[Network]


def post(outgoing: Outgoing, *, limits: Limits, now: datetime, resolve: Resolve = resolve) -> Answer:
    """Sign and send. Whatever goes wrong is in the answer; nothing is raised.

    now: the signature's moment, and that of an answer's Retry-After.
    """
    try:
        target = parse_url(outgoing.url, allow_http=limits.allow_http)
        headers = signed_headers(
            outgoing.id, outgoing.body, secrets=outgoing.secrets, timestamp=int(now.timestamp())
        )
        return _exchange(target, headers, outgoing.body, limits=limits, now=now, resolve=resolve)
    except Exception as error:  # of a stranger's server anything may come
        return Answer(error=_said(error)[:ERROR_MAX_CHARS])


def _exchange(
    target: Target,
    signed: Mapping[str, str],
    body: bytes,
    *,
    limits: Limits,
    now: datetime,
    resolve: Resolve,
) -> Answer:
    """A connection of its own each time, so that each time the address is judged."""
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    deadline = Deadline(limits.total_seconds)
    backend = CheckedBackend(resolve=resolve, allowed=limits.allowed_networks, deadline=deadline)
    headers: list[tuple[str | bytes, str | bytes]] = [
        ("host", target.authority),
        ("user-agent", USER_AGENT),
        ("content-type", CONTENT_TYPE),
        ("content-length", str(len(body))),
        ("connection", "close"),
        *signed.items(),
    ]
    timeouts: Any = {
        "connect": limits.connect_seconds,
        "read": limits.total_seconds,
        "write": limits.total_seconds,
    }
    with (
        httpcore.HTTPConnection(url.origin, ssl_context=_tls(), network_backend=backend) as connection,
        connection.stream(
            "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
        ) as response,
    ):
        _read_some(response)
        answer = Answer(status=response.status)
        if answer.is_success:
            return answer
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return replace(answer, retry_after=retry_after(told, now=now))


def _read_some(response: httpcore.Response) -> None:
    """The receiver has decided already: what happens to the rest of its answer changes nothing."""
    read = 0
    try:
        for chunk in response.iter_stream():
            read += len(chunk)
            if read >= RESPONSE_MAX_BYTES:
                return
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        return


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificates; SSL_CERT_FILE and SSL_CERT_DIR name others."""
    context = httpcore.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _said(error: Exception) -> str:
    """A sentence for the operator. A certificate's fault is worth its words, other errors their kind."""
    cause = error.__cause__ or error.__context__
    match error:
        case AddressRefused():
            return str(error)
        case httpcore.ConnectTimeout():
            return "connecting took too long"
        case httpcore.TimeoutException():
            return "the answer took too long"
        case httpcore.ConnectError() if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: {cause.verify_message}"
        case httpcore.ConnectError():
            return f"not connected: {error}"
        case httpcore.NetworkError():
            return "the connection broke"
        case httpcore.ProtocolError():
            return "the answer is no HTTP"
    return type(error).__name__
