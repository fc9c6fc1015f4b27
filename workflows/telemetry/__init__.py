"""Runs seen from outside: one log line a transition, one span where an OTLP endpoint is configured."""

from workflows.telemetry.process import ENDPOINT, begin, faults, flush, prepare, working
from workflows.telemetry.trace import Trace, incoming, of_run
from workflows.telemetry.transitions import Transition, announce

__all__ = [
    "ENDPOINT",
    "Trace",
    "Transition",
    "announce",
    "begin",
    "faults",
    "flush",
    "incoming",
    "of_run",
    "prepare",
    "working",
]
