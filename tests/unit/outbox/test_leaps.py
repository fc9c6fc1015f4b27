from uuid import UUID, uuid4

import pytest

from outbox.consumer import Event
from outbox.consuming.leaps import Leap, Turn, leaps, turn_of

STREAM = UUID(int=7)


def event(seq: int, *, epoch: int = 1) -> Event:
    return Event(
        stream=STREAM, seq=seq, epoch=epoch, id=uuid4(), type="t", audience="public", envelope={"seq": seq}
    )


def shape(made) -> list[tuple[int, int, bool]]:
    return [(leap.after, leap.to, leap.event is not None) for leap in made]


def test_each_wanted_event_is_a_leap_from_the_number_before_it():
    assert shape(leaps([event(4), event(5)], lambda e: True)) == [(3, 4, True), (4, 5, True)]


def test_what_is_not_wanted_goes_with_the_next_one_that_is():
    made = leaps([event(seq) for seq in range(1, 7)], lambda e: e.seq == 4)
    assert shape(made) == [(0, 4, True), (4, 6, False)]


def test_a_gap_in_the_firehose_is_never_crossed():
    assert shape(leaps([event(1), event(3)], lambda e: False)) == [(0, 1, False), (2, 3, False)]
    assert shape(leaps([event(1), event(3)], lambda e: e.seq == 3)) == [(0, 1, False), (2, 3, True)]


def test_a_hole_in_the_log_is_crossed_since_nothing_is_there():
    assert shape(leaps([event(4), event(7)], lambda e: True, after=1)) == [(1, 4, True), (4, 7, True)]
    assert shape(leaps([event(4), event(7)], lambda e: False, after=1)) == [(1, 7, False)]


def test_repeats_and_other_epochs_begin_a_leap_of_their_own():
    made = leaps([event(1), event(2), event(2), event(3, epoch=9)], lambda e: False)
    assert shape(made) == [(0, 2, False), (1, 2, False), (2, 3, False)]


@pytest.mark.parametrize(
    ("epoch", "seq", "turn"),
    [
        (1, 2, Turn.AHEAD),
        (1, 3, Turn.GO),
        (1, 5, Turn.GO),
        (1, 6, Turn.PAST),
        (1, 9, Turn.PAST),
        (2, 0, Turn.PAST),
        (0, 9, Turn.NEW_EPOCH),
    ],
)
def test_whose_turn_it_is(epoch, seq, turn):
    assert turn_of(Leap(STREAM, 1, 3, 6, None), epoch=epoch, seq=seq) is turn
