"""What is shown of an item while a model writes it, and how often."""

import copy
import itertools
from typing import Any

import pytest

from outbox import wire
from streaming.parsers import NdjsonParser, Parsed, apply_ops
from tests.fakes import FakeRecords
from workflows.execution import half
from workflows.execution.half import HalfItem


class Answer:
    """An answer that is being read: `says` is a chunk, a second after the one before."""

    def __init__(self) -> None:
        self.records = FakeRecords()
        self.parser = NdjsonParser()
        self.now = self.taken = 0.0
        self.takes = True
        self.half = HalfItem(
            self.parser, self.records, next_index=lambda: int(self.taken), revisions=itertools.count(1)
        )

    def says(self, *chunks: str, after: float = 1.0) -> "Answer":
        for chunk in chunks:
            self.now += after
            items = [result for result in self.parser.feed(chunk) if isinstance(result, Parsed)]
            self.taken += len(items) * self.takes
            self.half.follow(chunk)
        return self

    @property
    def shown(self) -> list[tuple[int, Any]]:
        """What somebody who missed no frame has seen."""
        seen: list[tuple[int, Any]] = []
        for index, _, ops in self.records.partials:
            before = copy.deepcopy(seen[-1][1]) if seen else None
            seen.append((index, apply_ops(before, ops)))
        return seen


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    answer = Answer()
    monkeypatch.setattr(half.time, "monotonic", lambda: answer.now)
    return answer


def test_an_item_is_shown_growing_under_the_index_that_it_will_have(answer):
    answer.says('{"te', 'xt": "on', "e ", 'two"}\n{"text"', ': "th', 'ree"}\n')

    assert answer.shown == [
        (0, {}),
        (0, {"text": "on"}),
        (0, {"text": "one "}),
        (1, {}),
        (1, {"text": "th"}),
    ]
    assert [rev for _, rev, _ in answer.records.partials] == [1, 2, 3, 4, 5]
    assert answer.records.hidden == []


def test_between_two_frames_there_is_a_pause_and_what_came_in_it_is_one_operation(answer):
    answer.says('{"text": "Once there was a')
    answer.says(*"bcdefghijklmnopqrstuvwxyz", after=0.01)

    assert len(answer.records.partials) == 3
    assert answer.shown[-1] == (0, {"text": "Once there was abcdefghijklmnopqrstu"})
    assert answer.records.partials[1][2] == [("append", "/text", "bcdefghijk")]


def test_nothing_new_is_no_frame(answer):
    answer.says('{"text": "a', '"', " ", " ", "}")

    assert answer.shown == [(0, {"text": "a"})]


@pytest.mark.parametrize("takes", [True, False])
def test_what_becomes_no_item_is_taken_back(answer, takes):
    answer.takes = takes
    answer.says('{"text": "a', '"}\n', "Then", " more")

    assert answer.records.hidden == ([] if takes else [(0, 2)])


def test_the_next_one_takes_the_place_of_what_became_no_item(answer):
    answer.takes = False
    answer.says('{"text": "a', '"}\n{"text": "b')

    assert answer.shown == [(0, {"text": "a"}), (0, {"text": "b"})]
    assert answer.records.hidden == []


def test_under_another_index_all_is_said(answer):
    """Items that were held back come first after all: their events end what is shown under their indexes."""
    text = "a rather long text that is not said again and again, since it outweighs what is new of it"
    answer.says(f'{{"text": "{text}')
    answer.taken += 2
    answer.says(" and", " on")

    assert answer.records.partials[1:] == [
        (2, 2, [("set", "", {"text": f"{text} and"})]),
        (2, 3, [("append", "/text", " on")]),
    ]


def test_an_answer_that_ends_takes_back_what_it_left_half_written(answer):
    answer.says('{"text": "a')
    answer.half.end()
    answer.half.end()

    assert answer.records.hidden == [(0, 2)]


def test_what_was_taken_as_an_item_is_not_taken_back_at_the_end(answer):
    answer.says('{"text": "a', '"}\n')
    answer.half.end()

    assert answer.records.hidden == []


def test_after_a_frame_that_could_not_be_sent_the_next_says_all(answer):
    answer.says('{"text": "a rather long text that is not said again and again')
    answer.records.takes_partials = False
    answer.says(" and")
    answer.records.takes_partials = True
    answer.says(" on", " and on")

    ops = [op for _, _, ops in answer.records.partials for op in ops]
    assert [verb for verb, _, _ in ops] == ["set", "append", "set", "append"]
    assert answer.shown[-1][1]["text"].endswith("again and on and on")


def test_all_is_said_again_now_and_then_for_whoever_missed_a_frame_and_costs_no_more_than_the_news(answer):
    words = [f"word{number} " for number in range(1_000)]
    answer.says('{"text": "', *words)

    frames = [ops for _, _, ops in answer.records.partials]
    wholes = [size for size, ops in enumerate(frames) if ops[0][:2] == ("set", "")]
    assert 3 < len(wholes) < 40
    written = sum(len(wire.encode(ops)) for ops in frames)
    news = sum(len(wire.encode([("append", "/text", word)])) for word in words)
    assert written < 2.5 * news


def test_an_item_is_shown_up_to_a_length(answer, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "PARTIAL_MAX_BYTES": 30}
    answer.half = HalfItem(answer.parser, answer.records, next_index=lambda: 0, revisions=itertools.count(1))
    answer.says('{"text": "0123456789', "0123456789", "0123456789")

    assert answer.shown[-1] == (0, {"text": "01234567890123456789"})
