"""What the browser loads: small, without markup made of text, without a word to a third party."""

import gzip
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "streaming" / "static" / "streaming"
MODULE = (STATIC / "run-stream.js").read_text()
HALVES = (STATIC / "half-items.js").read_text()


def test_the_module_is_at_most_15_kb_on_the_wire() -> None:
    assert len(gzip.compress(MODULE.encode(), mtime=0)) <= 15_000
    assert len(gzip.compress(HALVES.encode(), mtime=0)) <= 3_000  # beside it; a page may leave it out


@pytest.mark.parametrize("module", [MODULE, HALVES])
def test_a_module_needs_no_other_and_never_makes_markup_of_text(module: str) -> None:
    assert not re.search(
        r"^import |\bimport\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", module, re.M
    )


@pytest.mark.parametrize("name", ["run-stream", "run-items", "half-items"])
def test_every_public_name_of_a_module_is_typed(name: str) -> None:
    module, types = ((STATIC / f"{name}{suffix}").read_text() for suffix in (".js", ".d.ts"))
    for kind, public in re.findall(r"^export (class|function) (\w+)", module, re.M):
        assert re.search(rf"^export {kind} {public}\b", types, re.M), public


@pytest.mark.parametrize("template", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_templates_escape_everything(template: Path) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape\s+off|mark_safe", template.read_text())


def test_the_style_sheet_asks_nobody_for_anything() -> None:
    assert not re.search(r"url\(|@import", (STATIC / "site.css").read_text())
