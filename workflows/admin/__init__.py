from workflows.admin.records import AuditEntryAdmin
from workflows.admin.runs import RunAdmin
from workflows.admin.schedules import ScheduleAdmin
from workflows.admin.streams import StreamAdmin

__all__ = ["AuditEntryAdmin", "RunAdmin", "ScheduleAdmin", "StreamAdmin"]
