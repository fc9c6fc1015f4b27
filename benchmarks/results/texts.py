"""Large results as a step would have stored them: an ordinary one, and those that are hardest to read in part."""

from collections.abc import Callable
from typing import Any

from outbox import wire

QUOTE = 'The tenant shall pay, "promptly" and in advance, the rent of {EUR 840}, [heating] included.'


def finding(number: int) -> dict[str, Any]:
    """About 250 bytes."""
    return {
        "id": number,
        "kind": "amount",
        "title": f"Rent of part {number}",
        "value": number / 7,
        "page": number % 300,
        "quote": QUOTE,
        "tags": ["rent", "monthly"],
        "where": {"line": number, "column": 3},
    }


def findings(size: int) -> Any:
    """Many findings, and behind them something deep."""
    count = size // len(wire.encode(finding(50_000)))
    tail = {"deep": {"er": [{"x": 1}] * 10}}
    return {"findings": [finding(number) for number in range(count)], "summary": "Rent.", "tail": tail}


def hollow(size: int) -> Any:
    """Nothing but brackets and commas."""
    return [[] for _ in range(size // 3)]


def towers(size: int) -> Any:
    """Lists in lists, as deep as a row takes them."""
    tower: Any = []
    for _ in range(190):
        tower = [tower]
    return [tower] * (size // 383)


def one_text(size: int) -> Any:
    return ["x" * size]


SHAPES: dict[str, Callable[[int], Any]] = {
    "findings": findings,
    "empty lists": hollow,
    "towers of lists": towers,
    "one text": one_text,
}
