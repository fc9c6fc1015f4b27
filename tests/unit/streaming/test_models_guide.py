"""docs/models.md names every setting of the model, and none that is not there."""

import re
from pathlib import Path

from streaming.conf import StreamingSettings

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/models.md").read_text()


def test_the_guide_names_each_setting_of_the_model():
    known = {name.upper() for name in StreamingSettings.model_fields if name.startswith("model_")}

    assert set(re.findall(r"LONGHAUL_(MODEL_\w+)", GUIDE)) == known


def test_the_defaults_in_the_guide_are_those_of_the_settings():
    settings = StreamingSettings()
    rows = re.findall(r"\| `LONGHAUL_(MODEL_\w+)` \| (\w+) \|", GUIDE)

    assert len(rows) >= 6
    for name, default in rows:
        value = getattr(settings, name.lower())
        told = str(value).lower() if isinstance(value, bool) else f"{value:g}"
        assert default == told, name


def test_the_values_in_the_guide_are_those_that_are_taken():
    for name in ("model_prefill", "model_structured_output", "model_provider"):
        values = StreamingSettings.model_fields[name].annotation.__args__
        assert [value for value in values if f"`{value}`" not in GUIDE and f"={value}" not in GUIDE] == []


def test_the_files_in_the_guide_exist():
    for path in re.findall(r"`((?:tests|streaming)/[\w/.]+\.py)`", GUIDE):
        assert (ROOT / path).is_file(), path
