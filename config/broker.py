"""Celery's way to a Redis broker, mended where a cut would end the worker."""

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """Closes at the first try, also when its connection is gone.

    kombu 5.7 gives up when the message that the channel waits for does not come, and leaves it half closed; Celery 5.7
    then closes it once more, without its transport. If a message was at work, the worker ends with an AttributeError:
    a restart of Redis ended the relay each time, and the workers with all their steps.
    """

    def close(self) -> None:
        try:
            super().close()
        except self.connection.connection_errors:
            if not self.closed:  # it waits for nothing any more: now it gets to the end
                super().close()


class Transport(redis.Transport):
    Channel = Channel


def register() -> None:
    """From now on kombu takes this transport for `redis://` and `rediss://`. By name: it is imported when it is needed.

    Not as Celery's `broker_transport`: then each address shown would begin with the class, and Flower finds no Redis.
    """
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))
