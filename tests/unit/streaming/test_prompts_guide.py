"""The examples of docs/prompts.md are code: they are taken from there and run."""

import re
from pathlib import Path

GUIDE = (Path(__file__).parents[3] / "docs/prompts.md").read_text()


def test_the_guides_examples_run_and_ask_for_what_it_says():
    said: dict[str, object] = {"__name__": "guide"}
    for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(compile(block, "docs/prompts.md", "exec"), said)

    assert '"who":"Müller & Söhne"' in str(said["lines"])
    assert "used as it closes, alone: duties[], summary." in str(said["whole"])


def test_every_link_within_the_guide_leads_somewhere():
    headings = re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= anchors
