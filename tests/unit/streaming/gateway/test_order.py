"""The pure half of following, against every kind of bad luck that hints can have."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.gateway.order import Order
from streaming.hints import LogEvent

PAGE = 5


def event(seq: int) -> LogEvent:
    return LogEvent(seq, "public", b"%d" % seq)


def page(log_head: int, after: int) -> tuple[list[LogEvent], bool]:
    """What the database has at this moment, and whether it was all."""
    events = [event(seq) for seq in range(after + 1, min(log_head, after + PAGE) + 1)]
    return events, len(events) < PAGE


def catch_up(order: Order, head: int) -> list[LogEvent]:
    given_out: list[LogEvent] = []
    while order.is_behind:
        events, is_end = page(head, order.seen)
        given_out += order.fill(events, is_end=is_end)
    return given_out


# The log grows to each head in turn; before the reader looks, hints of any spans arrive, in any order and number,
# and rumours of events that nobody wrote.
steps = st.lists(
    st.tuples(
        st.integers(0, 12),  # events written
        st.lists(st.tuples(st.integers(1, 120), st.integers(0, 8)), max_size=6),  # spans that hints carry
        st.lists(st.integers(0, 200), max_size=2),  # heads heard of
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, 10), steps=steps)
def test_whatever_hints_do_the_reader_is_given_the_log_in_order_and_once(start, steps):
    head = start
    order = Order(start)
    given_out: list[LogEvent] = []
    for written, spans, heads in steps:
        head += written
        for first, length in spans:
            given_out += order.take([event(seq) for seq in range(first, min(first + length, head + 1))])
        for heard in heads:
            order.hear(heard)
        given_out += catch_up(order, head)

    # A heartbeat tells the head: what every hint lost is noticed.
    order.hear(head)
    given_out += catch_up(order, head)

    assert [item.seq for item in given_out] == list(range(start + 1, head + 1))


def test_an_event_that_continues_the_log_needs_no_database():
    order = Order(3)
    order.fill([], is_end=True)

    assert order.take([event(4), event(5)]) == [event(4), event(5)]
    assert not order.is_behind


def test_a_hole_sends_the_reader_to_the_log_and_nothing_after_it_is_let_through():
    order = Order(3)
    order.fill([], is_end=True)

    assert order.take([event(5)]) == []
    assert order.is_behind


def test_a_rumour_of_events_that_the_log_does_not_have_costs_one_look():
    order = Order(3)
    order.fill([], is_end=True)
    order.hear(99)

    assert order.fill([], is_end=True) == []
    assert not order.is_behind


def test_a_new_reader_is_behind_until_it_has_read_to_the_end():
    order = Order(0)
    assert order.is_behind

    order.fill([event(1)], is_end=False)
    assert order.is_behind

    order.fill([event(2)], is_end=True)
    assert not order.is_behind
