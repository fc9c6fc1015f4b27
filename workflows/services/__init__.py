from workflows.services.acting import allowed_actions
from workflows.services.answering import signal, skip
from workflows.services.erasing import erase
from workflows.services.keys import Request, request_of
from workflows.services.rerunning import rerun
from workflows.services.start import start
from workflows.services.steering import cancel, compensate, retry

__all__ = [
    "Request",
    "allowed_actions",
    "cancel",
    "compensate",
    "erase",
    "request_of",
    "rerun",
    "retry",
    "signal",
    "skip",
    "start",
]
