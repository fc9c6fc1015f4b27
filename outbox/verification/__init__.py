"""Is what Redis has what the log says, and is the log whole? Read in pages, so that memory stays the same."""

from outbox.verification.faults import Fault, Mend, Tally
from outbox.verification.firehoses import verify_firehoses
from outbox.verification.log import verify_log
from outbox.verification.mending import mend
from outbox.verification.run_streams import verify_run_streams

__all__ = ["Fault", "Mend", "Tally", "mend", "verify_firehoses", "verify_log", "verify_run_streams"]
