import json
from itertools import pairwise

import pytest

from streaming.llm import Chunk, Finish, OfflineModel, Pace, Prompt, Usage, get_model

FOUND = [
    {"kind": "party", "name": "Müller & Söhne", "page": 1},
    {"kind": "amount", "value": 1250.5, "quote": 'the "rent"\nis due 😀', "page": 2},
    {"kind": "amount", "value": 1250.5, "quote": 'the "rent"\nis due 😀', "page": 2},
    {"kind": "risk", "name": None, "page": 3},
]
PROMPT = Prompt(system="rules", text="[page 1]\nA contract.")


def model(*, minimum=1, maximum=5, **options) -> OfflineModel:
    return OfflineModel(
        lambda text: iter(FOUND), pace=Pace(min_chars=minimum, max_chars=maximum, delay_seconds=0), **options
    )


def run(model: OfflineModel, prompt: Prompt = PROMPT) -> tuple[list[str], Finish]:
    *chunks, finish = model.stream(prompt)
    assert isinstance(finish, Finish)
    return [chunk.text for chunk in chunks if isinstance(chunk, Chunk)], finish


def objects(texts: list[str]) -> list[dict]:
    return [json.loads(line) for line in "".join(texts).splitlines()]


def test_it_hands_the_text_of_the_prompt_to_the_rules():
    asked = []

    run(OfflineModel(lambda text: asked.append(text) or []))

    assert asked == [PROMPT.text]


@pytest.mark.parametrize(("minimum", "maximum"), [(1, 1), (1, 5), (4, 24), (1_000, 2_000)])
def test_it_streams_each_object_as_a_line_in_chunks_of_the_agreed_lengths(minimum, maximum):
    texts, finish = run(model(minimum=minimum, maximum=maximum))

    assert objects(texts) == FOUND
    assert all(minimum <= len(text) <= maximum for text in texts[:-1])
    assert 1 <= len(texts[-1]) <= maximum
    assert finish.reason == "stop"


def test_its_chunks_split_lines_anywhere_the_same_way_for_the_same_seed():
    texts, _ = run(model(maximum=24, seed=1))

    assert any("\n" in text[:-1] for text in texts)
    assert any(early[-1:].isalnum() and late[:1].isalnum() for early, late in pairwise(texts))
    assert run(model(maximum=24, seed=1))[0] == texts
    assert run(model(maximum=24, seed=2))[0] != texts


def test_it_goes_on_after_what_is_done_even_if_that_was_validated_since():
    # Validation adds defaults and may drop empty members; of two equal objects one is still to come.
    done = ({**FOUND[0], "confidence": 1.0}, FOUND[1], {"kind": "risk", "page": 3})

    texts, _ = run(model(), Prompt(system="", text="", done=done))

    assert objects(texts) == [FOUND[2]]


def test_usage_is_a_token_for_each_four_characters():
    texts, finish = run(model(), Prompt(system="abcd", text="abcde"))

    tokens_out = -(-len("".join(texts)) // 4)
    assert finish.usage == Usage(tokens_in=3, tokens_out=tokens_out, is_estimated=True)


def test_nothing_found_is_an_empty_answer():
    nothing = Finish("stop", Usage(tokens_in=7, tokens_out=0, is_estimated=True))
    assert run(OfflineModel(lambda text: [])) == ([], nothing)


def test_it_pauses_between_two_chunks_and_not_before_the_first():
    pauses = []
    slow = OfflineModel(lambda text: FOUND, pace=Pace(delay_seconds=0.03), sleep=pauses.append)

    stream = slow.stream(PROMPT)
    next(stream)
    assert pauses == []

    assert len(list(stream)) == len(pauses) + 1
    assert set(pauses) == {0.03}


def test_it_reads_on_only_as_far_as_it_is_asked():
    read = []
    lazy = OfflineModel(
        lambda text: (read.append(found) or found for found in FOUND), pace=Pace(delay_seconds=0)
    )

    next(lazy.stream(PROMPT))

    assert read == FOUND[:1]


def letters(text: str) -> list[dict]:
    return [{"letter": letter} for letter in text]


def test_the_settings_name_its_rules_and_its_pace(settings):
    settings.LONGHAUL = {
        "OFFLINE_EXTRACTOR": f"{__name__}.letters",
        "OFFLINE_CHUNK_DELAY_SECONDS": "0",
        "OFFLINE_CHUNK_MIN_CHARS": "7",
        "OFFLINE_CHUNK_MAX_CHARS": "7",
    }

    offline = get_model()
    texts, _ = run(offline, Prompt(system="", text="ab"))

    assert offline.name == "offline"
    assert objects(texts) == [{"letter": "a"}, {"letter": "b"}]
    assert {len(text) for text in texts[:-1]} == {7}
