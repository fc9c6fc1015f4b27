import errno
import json
import os
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pydantic import ValidationError

from streaming.conf import StreamingSettings
from streaming.llm import (
    Chunk,
    Finish,
    ModelRefused,
    ModelUnavailable,
    Prompt,
    RecordedModel,
    RecordingModel,
    Usage,
    get_model,
)
from streaming.llm.receipts import read_receipts
from streaming.llm.recording import read_recording, save_recording
from workflows.testing.model import ScriptedModel

PROMPT = Prompt(system="One a line.", text="[page 1]\nThe secret rent is 900 €.")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OBJECTS = [{"n": number, "text": f'line\n"{number}" ä😀'} for number in range(12)]
TEXT = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in OBJECTS)
CHUNKS = [TEXT[start : start + 7] for start in range(0, len(TEXT), 7)]
END = Finish("stop", Usage(tokens_in=40, tokens_out=100))


@pytest.fixture
def path(tmp_path):
    return save_recording(tmp_path / "takes", [*CHUNKS, END], now=NOW, prompt=PROMPT)


def played(model, *done: dict) -> list:
    return list(model.stream(Prompt(system=PROMPT.system, text=PROMPT.text, done=done)))


def said(parts: list) -> str:
    return "".join(part.text for part in parts if isinstance(part, Chunk))


def recorded_from(tmp_path, *pieces, prompt=PROMPT, stop_after: int | None = None, **options):
    """Record what a scripted model says; returns the parts and the recording's path."""
    model, parts = ScriptedModel(), []
    model.script(*pieces, **options)
    before = set(tmp_path.glob("takes/*"))
    with closing(RecordingModel(model=model, folder=tmp_path / "takes").stream(prompt)) as stream:
        try:
            for part in stream:
                parts.append(part)
                if stop_after is not None and len(parts) == stop_after:
                    break
        except ModelUnavailable as error:
            parts.append(error)
    (path,) = set(tmp_path.glob("takes/*")) - before
    return parts, path


def test_what_was_recorded_is_said_again_chunk_for_chunk(tmp_path):
    odd = ['{"a":"\ud83d', '\ude00"}\r\n', "\u2028", "\x00", ' {"b" : 1e3}']
    parts, path = recorded_from(tmp_path, *odd)

    assert said(parts) == "".join(odd)
    assert played(RecordedModel(path=path, speed=0)) == parts


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "unknown"])
def test_it_ends_as_the_recorded_answer_ended(tmp_path, finish):
    parts, path = recorded_from(tmp_path, '{"a":1}\n', finish=finish)

    assert played(RecordedModel(path=path, speed=0)) == parts
    assert parts[-1] == Finish(finish, Usage(tokens_in=10, tokens_out=20))


def test_a_failure_is_recorded_and_comes_again(tmp_path):
    failure = ModelUnavailable("The provider is away.", retry_after_seconds=7.5)
    _, path = recorded_from(tmp_path, '{"a":1}\n', failure)

    stream = RecordedModel(path=path, speed=0).stream(PROMPT)

    assert next(stream) == Chunk('{"a":1}\n')
    with pytest.raises(ModelUnavailable, match="The provider is away") as caught:
        next(stream)
    assert caught.value.retry_after_seconds == 7.5


def test_a_refusal_is_recorded_and_comes_again(tmp_path):
    model = ScriptedModel()
    model.script(ModelRefused("The model declined."))
    with pytest.raises(ModelRefused):
        list(RecordingModel(model=model, folder=tmp_path).stream(PROMPT))

    with pytest.raises(ModelRefused, match="declined"):
        played(RecordedModel(path=tmp_path))


def test_an_answer_that_was_closed_in_the_middle_ends_without_a_reason(tmp_path):
    _, path = recorded_from(tmp_path, '{"a":1}\n', '{"b":1}\n', stop_after=1)

    assert played(RecordedModel(path=path)) == [Chunk('{"a":1}\n'), Finish("unknown", Usage())]


def test_a_last_line_torn_by_a_kill_was_never_said(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b'{"at"') + 20])

    assert played(RecordedModel(path=path)) == [Finish("unknown", Usage())]


def test_the_file_holds_hashes_instead_of_the_prompt_and_is_its_owners_alone(path):
    first, *_ = path.read_text().splitlines()

    assert "secret rent" not in path.read_text()
    assert set(json.loads(first)) == {
        "recording",
        "model",
        "recorded_at",
        "prompt_sha256",
        "asked_sha256",
        "done",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_prompts_words_are_kept_if_they_are_wanted(tmp_path):
    model = ScriptedModel()
    model.script("{}")

    list(RecordingModel(model=model, folder=tmp_path, keep_prompts=True).stream(PROMPT))

    (path,) = tmp_path.iterdir()
    assert read_recording(path).heading.prompt == {"system": PROMPT.system, "text": PROMPT.text}


def test_times_are_those_of_the_model_and_not_of_its_reader(tmp_path):
    ticks = iter([0, 1.5, 100, 102, 200, 200.25])
    model = ScriptedModel()
    model.script("a", "b")
    recording = RecordingModel(model=model, folder=tmp_path, monotonic=lambda: next(ticks, 300))

    list(recording.stream(PROMPT))

    (path,) = tmp_path.iterdir()
    assert [heard.at for heard in read_recording(path).parts] == [1.5, 3.5, 3.75]


@pytest.mark.parametrize(("speed", "pauses"), [(1, [2.0] * 3), (4, [0.5] * 3), (0, [])])
def test_it_speaks_at_any_speed(tmp_path, speed, pauses):
    path = save_recording(tmp_path, ["a", "b", "c", END], now=NOW, prompt=PROMPT, seconds_between=2.0)
    slept = []

    assert len(played(RecordedModel(path=path, speed=speed, sleep=slept.append))) == 4
    assert slept == pauses


def test_a_disk_that_fails_costs_the_recording_and_not_the_answer(tmp_path, caplog):
    (tmp_path / "file").touch()
    model = ScriptedModel()
    model.script("a", "b")

    assert said(list(RecordingModel(model=model, folder=tmp_path / "file").stream(PROMPT))) == "ab"
    assert "an answer is not recorded" in caplog.text


@pytest.mark.parametrize("count", [0, 1, 5, 12])
def test_it_goes_on_after_the_objects_that_are_done(path, count):
    parts = played(RecordedModel(path=path, speed=0), *OBJECTS[:count])

    assert [json.loads(line) for line in said(parts).splitlines()] == OBJECTS[count:]
    assert all(part.text for part in parts[:-1])
    share = len(said(parts)) / len(TEXT)
    assert parts[-1] == Finish("stop", Usage(tokens_in=40, tokens_out=round(100 * share)))


def test_what_is_done_may_hold_defaults_and_broken_lines_before_it_are_not_said_again(tmp_path):
    lines = ['{"n":1}\n', "{broken\n", '{"n":2}\n', '{"n":1}\n', '{"n":3}']
    path = save_recording(tmp_path, [*lines, END], now=NOW, prompt=PROMPT)
    model = RecordedModel(path=path, speed=0)

    assert said(played(model, {"n": 1, "note": None}, {"n": 2, "note": None})) == '{"n":1}\n{"n":3}'
    assert said(played(model, {"n": 7})) == "".join(lines)  # of another call of the step


def test_what_is_skipped_costs_no_time(tmp_path):
    chunks = [json.dumps(value) + "\n" for value in OBJECTS]
    path = save_recording(tmp_path, chunks, now=NOW, prompt=PROMPT, seconds_between=1.0)
    slept = []

    played(RecordedModel(path=path, sleep=slept.append), *OBJECTS[:10])

    assert slept == [1.0]


def test_a_folder_holds_the_answers_to_several_prompts(tmp_path):
    other = Prompt(system="Another.", text="task")
    recorded_from(tmp_path, "one")
    recorded_from(tmp_path, "two", prompt=other)
    (tmp_path / "takes" / "empty.jsonl").touch()  # of a process killed at its first breath
    model = RecordedModel(path=tmp_path / "takes", speed=0)

    assert said(list(model.stream(PROMPT))) == "one"
    assert said(list(model.stream(other))) == "two"
    with pytest.raises(ModelRefused, match=r"None of the 2 recordings .* LONGHAUL_MODEL_RECORD_TO"):
        list(model.stream(Prompt(system="", text="never asked")))


def test_the_recorded_retry_is_the_answer_to_the_same_retry_and_to_no_other(tmp_path):
    going_on = Prompt(system=PROMPT.system, text=PROMPT.text, done=({"n": 1},))
    recorded_from(tmp_path, '{"n":1}\n{"n":2}\n{"n"', finish="length")
    recorded_from(tmp_path, '{"n":2.5}\n', prompt=going_on)
    model = RecordedModel(path=tmp_path / "takes", speed=0)

    assert said(played(model)) == '{"n":1}\n{"n":2}\n{"n"'
    assert said(played(model, {"n": 1})) == '{"n":2.5}\n'
    assert said(played(model, {"n": 1}, {"n": 2})) == '{"n"'


def test_each_call_and_each_object_served_is_counted_before_it_can_be_used(path, tmp_path):
    log = tmp_path / "served.log"
    model = RecordedModel(path=path, speed=0, receipts=log)
    stream, text = model.stream(PROMPT), ""
    while text.count("\n") < 2 or text.endswith("\n"):
        text += next(stream).text
    stream.close()

    assert read_receipts(log) == (1, {0: 1, 1: 1})  # the third line has begun
    played(model, *OBJECTS[:2])
    calls, served = read_receipts(log)
    assert (calls, set(served.values()), sorted(served)) == (2, {1}, list(range(12)))
    first = json.loads(log.read_text().splitlines()[0])
    assert (first["pid"], first["done"]) == (os.getpid(), 0)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "line 1: this is no JSON"),
        ("[]\n", "line 1: this is no JSON object"),
        ('{"recording": 9}\n', "no recording of version 1"),
        ('{"recording": 1}\n', "line 1"),
        ("[" * 100_000, "line 1: this is no JSON"),
        (b"\xff\xfe", "no text"),
        (None, "No such file"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_way_out(tmp_path, content, sentence):
    path = tmp_path / "take.jsonl"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    with pytest.raises(ModelRefused, match=sentence) as caught:
        played(RecordedModel(path=path))
    assert "Check LONGHAUL_MODEL_RECORDING" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"at": 1}',
        '{"at": "soon", "text": "a"}',
        '{"at": Infinity, "text": "a"}',
        '{"text": "a"}',
        '{"at": 1, "finish": "stop", "usage": [1]}',
        '{"at": 1, "finish": "stop", "usage": {"tokens_in": "many"}}',
        '{"at": 1, "failure": "unavailable", "message": "", "retry_after_seconds": "soon"}',
    ],
)
def test_a_recording_damaged_in_its_middle_is_refused(path, line):
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, line + "\n", *rest]))

    with pytest.raises(ModelRefused, match="line 2"):
        played(RecordedModel(path=path))


def test_files_of_the_same_second_do_not_meet_and_sort_by_time(tmp_path):
    for second in (0, 0, 1):
        save_recording(tmp_path, ["a"], now=NOW.replace(second=second), prompt=PROMPT)

    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 3
    assert all(early[:17] <= late[:17] for early, late in pairwise(names))
    assert names[0].startswith("2026-03-01T120000Z-written-")


def test_the_settings_choose_what_is_recorded_and_played(tmp_path, path, settings):
    settings.LONGHAUL = {
        "MODEL_PROVIDER": "recorded",
        "MODEL_RECORDING": str(path),
        "MODEL_RECORDING_SPEED": "0",
        "MODEL_RECORDING_LOG": str(tmp_path / "log"),
        "MODEL_RECORD_TO": str(tmp_path / "again"),
        "MODEL_RECORD_PROMPTS": "true",
    }

    model = get_model()

    inner = RecordedModel(path=path, speed=0, receipts=tmp_path / "log")
    assert model == RecordingModel(model=inner, folder=tmp_path / "again", keep_prompts=True)
    assert model.name == "recorded"
    assert said(played(model)) == TEXT
    (again,) = (tmp_path / "again").iterdir()
    assert [heard.part for heard in read_recording(again).parts] == [*map(Chunk, CHUNKS), END]


def test_the_settings_ask_which_recording_and_take_empty_for_none():
    with pytest.raises(ValidationError, match="MODEL_RECORDING must say which"):
        StreamingSettings.model_validate({"model_provider": "recorded", "model_recording": ""})

    assert StreamingSettings.model_validate({"model_record_to": ""}).model_record_to is None


def lowest_free_number() -> int:
    file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    return file


def test_a_full_disk_leaves_no_file_open(path, tmp_path, monkeypatch):
    def is_full(file: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("streaming.llm.recording.write_whole", is_full)
    monkeypatch.setattr("streaming.llm.receipts.write_whole", is_full)
    free = lowest_free_number()
    recording = RecordingModel(model=RecordedModel(path=path, speed=0), folder=tmp_path / "more")
    assert said(list(recording.stream(PROMPT))) == TEXT
    counting = RecordedModel(path=path, speed=0, receipts=tmp_path / "served.log")
    with pytest.raises(ModelRefused, match="No space left"):
        list(counting.stream(PROMPT))
    assert lowest_free_number() == free


def test_a_disk_that_fills_in_the_middle_of_a_counted_answer_is_told_like_one_that_was_full(
    path, tmp_path, monkeypatch
):
    counting = RecordedModel(path=path, speed=0, receipts=tmp_path / "served.log")
    stream = counting.stream(PROMPT)
    next(stream)

    def is_full(file: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("streaming.llm.receipts.write_whole", is_full)
    with pytest.raises(ModelRefused, match="No space left"):
        list(stream)
