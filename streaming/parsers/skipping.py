"""What no path leads to: checked by yajl as it comes, built by nobody, so that memory stays flat."""

from typing import Any

import ijson

FAST = "yajl2_c"
# Only the grammar is asked. Strings may hold control characters (see `values`) and which characters they hold
# does not matter; but a form feed between values is no blank, though yajl takes it for one.
PLAIN = bytes(
    0x20 if code in b"\t\r\n" else 0x7F if code < 0x20 or code >= 0x80 else code for code in range(256)
)


def _backend() -> Any:
    try:
        return ijson.get_backend(FAST)
    except ImportError:  # `fault_of_backend` says so; slow is better than not at all
        return ijson.get_backend("python")


BACKEND = _backend()


def fault_of_backend() -> str:
    """Why what is skipped in a document is skipped slowly; empty when yajl, compiled, is there."""
    name = BACKEND.__name__.rpartition(".")[-1]
    return "" if name == FAST else f"ijson has no compiled yajl here and works with its {name} backend"


class Nowhere:
    def send(self, event: Any) -> None:
        """The events of yajl end here."""


class Checker:
    """Is this one JSON value? The limits are the caller's: yajl holds each string and number as it comes."""

    def __init__(self) -> None:
        self._yajl = BACKEND.basic_parse_coro(Nowhere())
        self.is_broken = False

    def feed(self, data: bytes) -> None:
        if self.is_broken:
            return
        try:
            self._yajl.send(data.translate(PLAIN))
        except Exception:  # ijson's own, and SystemError, ValueError, decimal's: numbers that it cannot build
            self.is_broken = True

    def close(self) -> None:
        if self.is_broken:
            return
        try:
            self._yajl.close()
        except ijson.JSONError:
            self.is_broken = True
