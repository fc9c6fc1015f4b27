"""Make Redis tell again what the log says."""

import redis

from outbox.clock import Clock
from outbox.epochs import start_new_epoch, suspect
from outbox.verification.faults import Fault, Mend


def mend(fault: Fault, connection: "redis.Redis", *, clock: Clock) -> bool:
    """Whether something was done; not for what only a restore of the database can mend.

    A copy that goes costs nothing: to a relay at work it looks like a flush, and readers use the database.
    """
    match fault.mend, fault.run:
        case Mend.COMPARE, run if run is not None:
            suspect(run, because=fault.text)
        case Mend.RENEW, run if run is not None:
            return start_new_epoch(run, seen=fault.epoch, clock=clock)
        case Mend.DROP, _:
            connection.unlink(fault.where)
        case Mend.REMOVE, _:
            connection.xdel(fault.where, fault.entry)
        case _:
            return False
    return True
