import pytest

from outbox.consumer import Consumer, ConsumerError, UnknownConsumer, consumer, find, forget, names


def do_nothing(event) -> None: ...


def test_an_apps_consumers_are_found_like_its_admin():
    assert "invoices" in names()
    found = find("invoices")
    assert (found.types, found.start, found.role) == (
        frozenset({"step.completed"}),
        "beginning",
        "consumer:invoices",
    )


def test_a_decorated_handler_stays_a_plain_function():
    try:
        assert consumer("plain", types=["a", "b"], start="now")(do_nothing) is do_nothing
        assert find("plain").types == {"a", "b"}
    finally:
        forget("plain")


def test_two_of_one_name_are_refused():
    with pytest.raises(ConsumerError, match="two consumers are called invoices"):
        consumer("invoices")(do_nothing)


def test_one_text_is_not_a_set_of_types():
    with pytest.raises(ConsumerError, match=r"types is a set, \{'step.completed'\}"):
        consumer("mistaken", types="step.completed")(do_nothing)
    assert "mistaken" not in names()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "Invoices"}, "begins with a letter"),
        ({"name": "i" * 65}, "up to 64"),
        ({"name": "i", "types": frozenset()}, "types is a set"),
        ({"name": "i", "start": "yesterday"}, "'beginning' or 'now'"),
    ],
)
def test_a_consumer_that_cannot_work_is_refused_where_it_is_defined(fields, says):
    with pytest.raises(ConsumerError, match=says):
        Consumer(handler=do_nothing, **fields)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownConsumer, match=r"known are .*invoices"):
        find("invoice")
