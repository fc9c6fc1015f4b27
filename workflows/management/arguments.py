"""What `manage.py runs` reads from a shell: texts, numbers, JSON. Each raises ArgumentTypeError with the way out."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from workflows.strict_json import read_json

LIST_MAX = 1_000
DAYS_MAX = 36_525
SHOWN_CHARS = 80  # of what could not be read


def text(value: str) -> str:
    """What a column can be compared with. A shell passes any bytes, and Python keeps those that are no UTF-8."""
    if "\x00" in value or not _is_utf8(value):
        raise ArgumentTypeError(f"{value!r} is no UTF-8 text: check the terminal's encoding")
    return value


def count(value: str) -> int:
    """How many rows, from 1 to LIST_MAX."""
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(LIST_MAX))):
        raise ArgumentTypeError(f"{value!r} is no whole number from 1 to {LIST_MAX}")
    if not 1 <= int(value) <= LIST_MAX:
        raise ArgumentTypeError(f"{value} is not from 1 to {LIST_MAX}")
    return int(value)


def days(value: str) -> float:
    """A time in days, above 0 and up to a century."""
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0 < found <= DAYS_MAX:
        raise ArgumentTypeError(f"{value!r} is no number of days above 0 and up to {DAYS_MAX}")
    return found


def json_value(value: str) -> Any:
    """JSON, or @file that holds it."""
    written = _read(value[1:]) if value.startswith("@") else text(value)
    try:
        return read_json(written)
    except ValueError as error:
        raise ArgumentTypeError(f"{value[:SHOWN_CHARS]!r} is no JSON: {error}") from None


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"the file {name!r} cannot be read as UTF-8 text: {error}") from None


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
