import pytest

from outbox.clock import CLOCK
from outbox.models import Stream
from outbox.publisher import RedisPublisher
from outbox.relay import drain
from tests.factories import make_stream
from tests.integration.outbox.commanding import write


@pytest.fixture
def publisher(redis_client) -> RedisPublisher:
    return RedisPublisher(redis_client)


@pytest.fixture
def published(publisher) -> Stream:
    stream = write(make_stream())
    drain(publisher, clock=CLOCK)
    stream.refresh_from_db()
    return stream
