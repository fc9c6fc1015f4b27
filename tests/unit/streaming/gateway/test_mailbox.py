import asyncio
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from outbox.wire import Cursor
from streaming.gateway.mailbox import MAX_FRAMES, Mailbox
from streaming.hints import EventsHint, LiveFrame, LogEvent

RUN = uuid4()


def make_mailbox(**limits: int) -> Mailbox:
    values = {"max_events": 4, "max_bytes": 1_000, **limits}
    return Mailbox(epoch=1, heard=Cursor(epoch=1, seq=0), heard_at=0.0, **values)


def hint(*seqs: int, epoch: int = 1, size: int = 1) -> EventsHint:
    events = tuple(LogEvent(seq, "public", b"x" * size) for seq in seqs)
    return EventsHint(run=RUN, epoch=epoch, last=max(seqs), events=events)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 50), min_size=1, max_size=9), st.integers(1, 400)), max_size=30
    )
)
def test_a_reader_that_takes_nothing_holds_no_more_than_its_bound(posted):
    mailbox = make_mailbox()
    for seqs, size in posted:
        mailbox.post(hint(*seqs, size=size), at=1.0)

    events, heard = mailbox.take()

    assert len(events) <= 4
    assert sum(len(event.body) for event in events) <= 1_000
    assert heard == max((seq for seqs, _ in posted for seq in seqs), default=0)


def test_an_overflow_keeps_the_news_that_there_is_more():
    mailbox = make_mailbox()
    mailbox.post(hint(1, 2, 3), at=1.0)
    mailbox.post(hint(4, 5), at=2.0)

    assert mailbox.take() == ([], 5)
    assert mailbox.heard_at == 2.0


def test_what_was_taken_is_not_heard_again():
    mailbox = make_mailbox()
    mailbox.post(hint(1), at=1.0)
    mailbox.take()

    assert mailbox.take() == ([], 0)


def test_news_of_another_epoch_are_a_reason_to_look_and_no_events():
    mailbox = make_mailbox()
    mailbox.post(hint(7, epoch=2), at=1.0)

    assert mailbox.is_epoch_over
    assert mailbox.take() == ([], 0)


def test_the_newest_frames_are_kept():
    mailbox = make_mailbox()
    mailbox.post_frames([LiveFrame("public", b"%d" % number) for number in range(MAX_FRAMES + 3)])

    kept = mailbox.take_frames()

    assert (len(kept), kept[-1].body) == (MAX_FRAMES, b"%d" % (MAX_FRAMES + 2))
    assert mailbox.take_frames() == []


def test_frames_that_a_slow_reader_leaves_are_dropped_by_number_and_by_size_and_it_is_said():
    mailbox = make_mailbox()
    mailbox.post_frames([LiveFrame("public", b"x" * 400)] * 2)
    assert not mailbox.has_lost_frames
    mailbox.post_frames([LiveFrame("public", b"y" * 400)])

    assert mailbox.has_lost_frames
    assert [frame.body[:1] for frame in mailbox.take_frames()] == [b"x", b"y"]
    mailbox.post_frames([LiveFrame("public", b"z" * 900)])
    assert [frame.body[:1] for frame in mailbox.take_frames()] == [b"z"]


async def test_waiting_ends_with_news_and_with_time():
    mailbox = make_mailbox()
    await mailbox.wait(seconds=0)

    waiting = asyncio.create_task(mailbox.wait(seconds=60))
    await asyncio.sleep(0)
    mailbox.wake()
    async with asyncio.timeout(5):
        await waiting
