from workflows.models.attempt import Attempt
from workflows.models.audit import AuditEntry
from workflows.models.credentials import ApiToken, LinkScope, Scope, ShareLink, StreamTicket
from workflows.models.item import Item
from workflows.models.requestkey import RequestKey
from workflows.models.run import Run
from workflows.models.step import Step

__all__ = [
    "ApiToken",
    "Attempt",
    "AuditEntry",
    "Item",
    "LinkScope",
    "RequestKey",
    "Run",
    "Scope",
    "ShareLink",
    "Step",
    "StreamTicket",
]
