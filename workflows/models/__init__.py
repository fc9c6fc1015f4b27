from workflows.models.attempt import Attempt
from workflows.models.audit import AuditEntry
from workflows.models.item import Item
from workflows.models.requestkey import RequestKey
from workflows.models.run import Run
from workflows.models.step import Step

__all__ = ["Attempt", "AuditEntry", "Item", "RequestKey", "Run", "Step"]
