from workflows.admin.records import AuditEntryAdmin, StreamAdmin
from workflows.admin.runs import RunAdmin

__all__ = ["AuditEntryAdmin", "RunAdmin", "StreamAdmin"]
