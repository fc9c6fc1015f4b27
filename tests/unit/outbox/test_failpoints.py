import pytest

from outbox import failpoints


def test_a_failpoint_that_is_not_set_does_nothing():
    failpoints.failpoint("outbox.append.written")


def test_a_failpoint_that_is_told_to_raise_raises(monkeypatch):
    monkeypatch.setattr(failpoints, "active", failpoints.parse("outbox.append.written=raise"))
    with pytest.raises(failpoints.InjectedFailure):
        failpoints.failpoint("outbox.append.written")


@pytest.mark.parametrize(
    "text", ["outbox.apend.written=kill", "outbox.append.written=explode", "outbox.append.written"]
)
def test_a_misspelt_failpoint_is_refused_instead_of_proving_nothing(text):
    with pytest.raises(ValueError, match="failpoint"):
        failpoints.parse(text)
