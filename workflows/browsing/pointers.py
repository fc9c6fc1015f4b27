"""JSON Pointers (RFC 6901): `/findings/3/title`; the empty one is the whole. Pure."""

import re

BAD_ESCAPE = re.compile("~(?![01])")
INDEX = re.compile("0|[1-9][0-9]{0,17}")


def parse(pointer: str) -> tuple[str, ...]:
    """The names on the way. Raises ValueError with a sentence for the caller."""
    if pointer and not pointer.startswith("/"):
        raise ValueError("a pointer is empty, or begins with a slash: /findings/3/title")
    if BAD_ESCAPE.search(pointer):
        raise ValueError("in a pointer ~ is written ~0, and a slash within a name ~1")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:])


def child(pointer: str, key: str | int) -> str:
    """The pointer of the member `key` of what `pointer` leads to."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def index_of(name: str) -> int | None:
    """The index in a list that `name` is, or None."""
    return int(name) if INDEX.fullmatch(name) else None
