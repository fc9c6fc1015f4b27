"""What a model could have written: objects of 200 bytes or so, as lines and as one document, and cut into chunks."""

import json
import random
from collections.abc import Iterator, Sequence

PATH = "findings.item"
OPENING, CLOSING = b'{"findings":[', b"]}"
KINDS = ("party", "date", "amount", "obligation", "risk")

Chunks = Sequence[bytes]


def objects(*, seed: int) -> Iterator[bytes]:
    """Without end: strings, numbers, a list and an object in each, some characters of two bytes, some escapes."""
    draw = random.Random(seed)
    number = 0
    while True:
        number += 1
        value = {
            "kind": draw.choice(KINDS),
            "title": f"Clause {number} – Übergabe",
            "value": draw.randrange(1_000_000) / 100,
            "page": draw.randrange(1, 200),
            "quote": 'The tenant shall pay "on time",\nand in full, each month.',
            "tags": ["rent", "term", "§ 535"],
            "source": {"x": draw.randrange(600), "y": draw.randrange(800)},
        }
        yield json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def of_length(size: int, *, seed: int = 1) -> list[bytes]:
    """As many whole objects as it takes to be `size` bytes long, as lines."""
    found: list[bytes] = []
    length = 0
    for value in objects(seed=seed):
        found.append(value)
        length += len(value) + 1
        if length >= size:
            return found
    raise AssertionError("objects() has no end")


def respelled(found: Sequence[bytes]) -> list[bytes]:
    """The same with what JSON has several spellings for: a price such as 12.50, an escaped letter."""
    return [
        value.replace("Ü".encode(), b"\\u00dc").replace(b',"page"', b',"price":12.50,"page"')
        for value in found
    ]


def as_lines(found: Sequence[bytes]) -> bytes:
    return b"\n".join(found) + b"\n"


def as_document(found: Sequence[bytes]) -> bytes:
    return OPENING + b",".join(found) + CLOSING


def cut_text(text: str, size: int) -> Sequence[str]:
    """As a provider gives it: no character is cut, so a chunk may have some more bytes."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def cut(text: bytes, size: int) -> Chunks:
    return [text[start : start + size] for start in range(0, len(text), size)]
