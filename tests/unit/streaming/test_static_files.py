"""What the browser loads: small, without markup made of text, without a word to a third party."""

import gzip
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "streaming" / "static" / "streaming"
MODULE = (STATIC / "run-stream.js").read_text()


def test_the_module_is_at_most_15_kb_on_the_wire() -> None:
    assert len(gzip.compress(MODULE.encode(), mtime=0)) <= 15_000


def test_the_module_needs_no_other_and_never_makes_markup_of_text() -> None:
    assert not re.search(
        r"^import |\bimport\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", MODULE, re.M
    )


@pytest.mark.parametrize("module", ["run-stream", "run-items"])
def test_every_public_name_of_a_module_is_typed(module: str) -> None:
    types = (STATIC / f"{module}.d.ts").read_text()
    for kind, name in re.findall(
        r"^export (class|function) (\w+)", (STATIC / f"{module}.js").read_text(), re.M
    ):
        assert re.search(rf"^export {kind} {name}\b", types, re.M), name


@pytest.mark.parametrize("template", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_templates_escape_everything(template: Path) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape\s+off|mark_safe", template.read_text())


def test_the_style_sheet_asks_nobody_for_anything() -> None:
    assert not re.search(r"url\(|@import", (STATIC / "site.css").read_text())
