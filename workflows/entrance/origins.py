"""From which websites a stream may be opened with a ticket or a token. Sessions have a stricter rule of Channels."""

from urllib.parse import urlsplit

from workflows.entrance.conf import conf


def is_welcome(origin: str | None, *, host: str) -> bool:
    """origin: the header that browsers send; None: no browser asks, or a page of our own. host: as it was asked for."""
    return origin is None or urlsplit(origin).netloc == host or is_named(origin)


def is_named(origin: str) -> bool:
    """Whether it is among `stream_origins`: another website, whose pages may read the answer."""
    return origin in conf().stream_origins
