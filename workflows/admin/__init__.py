from workflows.admin.records import AuditEntryAdmin
from workflows.admin.runs import RunAdmin
from workflows.admin.schedules import ScheduleAdmin
from workflows.admin.streams import StreamAdmin
from workflows.admin.tokens import ApiTokenAdmin
from workflows.admin.webhooks import DeliveryAdmin, WebhookAdmin

__all__ = [
    "ApiTokenAdmin",
    "AuditEntryAdmin",
    "DeliveryAdmin",
    "RunAdmin",
    "ScheduleAdmin",
    "StreamAdmin",
    "WebhookAdmin",
]
