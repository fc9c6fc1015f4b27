"""Database connections of threads that live as long as their process."""

from typing import Final

from django.db import InterfaceError, InternalError, OperationalError, connections

# The database's trouble or the connection's, not that of what was written: trying again may help. Internal errors too:
# a session that was ended because its process had slept inside a transaction says so with one.
PASSING: Final = (OperationalError, InterfaceError, InternalError)


def drop_broken() -> None:
    """Close this thread's connections that failed, so that the next query opens a fresh one.

    Not `close_old_connections()`: with CONN_MAX_AGE 0 that closes healthy ones too, which costs PostgreSQL a new
    backend and the caller milliseconds at each turn.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred and not connection.in_atomic_block:
            connection.close()


def give_back() -> None:
    """Close this thread's connections: nothing will be asked for a while."""
    connections.close_all()
