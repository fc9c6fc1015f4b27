from outbox.webhooks.cloudevents import cloud_event

ENVELOPE = {
    "v": 1,
    "seq": 418,
    "id": "0198c2aa-0000-7000-8000-000000000001",
    "type": "item.committed",
    "run": "0198c2aa-0000-7000-8000-000000000002",
    "step": "write",
    "attempt": 2,
    "time": "2026-11-22T09:31:04.512Z",
    "data": {"index": 6, "key": "s6"},
}


def made(epoch: int = 1, **changes: object) -> dict[str, object]:
    return cloud_event({**ENVELOPE, **changes}, epoch=epoch, source="/runs", type_prefix="dev.longhaul")


def test_an_envelope_maps_as_the_protocol_says():
    assert made() == {
        "specversion": "1.0",
        "id": "0198c2aa-0000-7000-8000-000000000001",
        "source": "/runs/0198c2aa-0000-7000-8000-000000000002",
        "type": "dev.longhaul.item.committed.v1",
        "subject": "write/2",
        "time": "2026-11-22T09:31:04.512Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000418",
        "data": {"index": 6, "key": "s6"},
    }


def test_sequences_sort_as_text_in_the_order_of_their_numbers():
    numbers = [1, 9, 10, 418, 2**31, 2**63 - 1]
    texts = [str(made(seq=number)["sequence"]) for number in numbers]
    assert texts == sorted(texts)


def test_attribute_names_are_those_that_cloudevents_allows():
    assert all(name.isalnum() and name.islower() for name in made(epoch=1_790_000_000))


def test_an_event_of_no_step_has_no_subject():
    plain = {name: value for name, value in ENVELOPE.items() if name not in ("step", "attempt")}
    event = cloud_event(plain, source="https://longhaul.example.com/runs/", type_prefix="com.example")
    assert "subject" not in event
    assert str(event["source"]).startswith("https://longhaul.example.com/runs/0198")
    assert event["type"] == "com.example.item.committed.v1"


def test_only_numbers_that_began_anew_have_an_epoch():
    assert "epoch" not in made()
    assert made(epoch=1_790_000_000)["epoch"] == "00000000001790000000"
