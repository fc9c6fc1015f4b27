from workflows.admin.records import AuditEntryAdmin, StreamAdmin
from workflows.admin.runs import RunAdmin
from workflows.admin.schedules import ScheduleAdmin

__all__ = ["AuditEntryAdmin", "RunAdmin", "ScheduleAdmin", "StreamAdmin"]
