"""Bytes of a text file in, clean text out: no NUL, no lone surrogate, and every repair is said."""

import re
from typing import NamedTuple

MAX_NOISE_SHARE = 0.10  # above it a "text" is a binary file with some words in it
MIN_ASCII_SHARE = 0.70  # of a Western text in a one-byte encoding
BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
ASCII_TEXT = bytes([*b"\t\n\f\r", *range(0x20, 0x7F)])
# Bytes that Windows-1252 leaves empty, and letters so rare that they rather point to broken UTF-8.
NOT_WESTERN = re.compile(rb"[\x00\x81\x8d\x8f\x90\x9d\xd0\xde\xf0\xfe\xff]")

# Everything below the space except tab, line feed and form feed, then DEL and the surrogates.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")

WINDOWS_1252 = "The text is not UTF-8; it was read as Windows-1252. If letters look wrong, save it as UTF-8."


class Decoded(NamedTuple):
    text: str
    warnings: list[str]  # sentences for the person who sent the file


def is_mostly_text(data: bytes) -> bool:
    """Whether `data`, a file or its beginning, reads as text, give or take a few broken characters."""
    if not data:
        return False
    text = data.decode(_marked_encoding(data) or "utf-8", errors="replace")
    noise = len(CONTROL.findall(text)) + text.count("\ufffd")
    if noise <= MAX_NOISE_SHARE * len(text):
        return True
    ascii_bytes = len(data) - len(data.translate(None, ASCII_TEXT))
    controls = sum(data.count(byte) for byte in range(0x20)) - sum(data.count(byte) for byte in b"\t\n\f\r")
    return ascii_bytes >= MIN_ASCII_SHARE * len(data) and controls <= MAX_NOISE_SHARE * len(data)


def decode_text(data: bytes) -> Decoded:
    """The text of `data`, which may be UTF-8, UTF-16 with a mark, or Windows-1252."""
    encoding = _marked_encoding(data) or "utf-8"
    warnings: list[str] = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding == "utf-8" and not NOT_WESTERN.search(data):
            text = data.decode("cp1252")
            warnings.append(WINDOWS_1252)
        else:
            text = data.decode(encoding, errors="replace")
            broken = _count(text.count("\ufffd"), "place")
            warnings.append(f"{broken} of the text could not be decoded and shows as \ufffd.")
    removed = len(CONTROL.findall(text.replace("\r", "")))
    if removed:
        controls = _count(removed, "control character")
        warnings.append(f"{controls} (such as NUL) had to be removed from the text.")
    return Decoded(clean(text), warnings)


def clean(text: str) -> str:
    """`text` with plain line ends, without what a database refuses (NUL, lone surrogates)."""
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _marked_encoding(data: bytes) -> str:
    return next((encoding for mark, encoding in BYTE_ORDER_MARKS if data.startswith(mark)), "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
