"""However an answer was cut when it was recorded, and wherever it goes on, the same is said and counted."""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.llm import Chunk, Finish, Prompt, RecordedModel, Usage
from streaming.llm.receipts import read_receipts
from streaming.llm.recording import save_recording

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PROMPT = Prompt(system="s", text="t")
values = st.dictionaries(
    st.text(max_size=4),
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40)
@given(data=st.data(), found=st.lists(values, max_size=8), is_ascii=st.booleans(), has_end=st.booleans())
def test_it_says_and_counts_what_comes_after_what_is_done(data, found, is_ascii, has_end):
    lines = [json.dumps({"n": number} | value, ensure_ascii=is_ascii) for number, value in enumerate(found)]
    text = "\n".join(lines) + ("\n" if has_end and lines else "")
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=12)))
    chunks = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    done = data.draw(st.integers(0, len(found)))
    told = tuple(json.loads(line) for line in lines[:done])
    with TemporaryDirectory() as folder:
        parts = [*filter(None, chunks), Finish("stop", Usage())]
        path = save_recording(Path(folder), parts, now=NOW, prompt=PROMPT)
        model = RecordedModel(path=path, speed=0, receipts=Path(folder) / "log")

        *said, finish = model.stream(Prompt(system="s", text="t", done=told))

        assert all(isinstance(part, Chunk) and part.text for part in said)
        rest = "".join(part.text for part in said if isinstance(part, Chunk))
        assert text.endswith(rest)
        assert [json.loads(line) for line in rest.split("\n") if line] == [
            json.loads(line) for line in lines[done:]
        ]
        assert isinstance(finish, Finish)
        assert read_receipts(Path(folder) / "log") == (1, dict.fromkeys(range(done, len(lines)), 1))
