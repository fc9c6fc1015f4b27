from django.urls import path, re_path

from workflows.api import items, results, system, verbs, views, workflows
from workflows.api.description import operations
from workflows.api.description.runs import read_operations
from workflows.api.description.service import system_operations
from workflows.api.description.sharing import sharing_operations
from workflows.api.description.stand_ins import described
from workflows.api.description.verbs import write_operations
from workflows.api.events import run_events
from workflows.api.polling import polled
from workflows.api.problems import no_such_address
from workflows.api.shared import shared, shared_events
from workflows.api.sharing import OneShareLink, ShareLinks
from workflows.api.tickets import StreamTickets

operations.register(read_operations)
operations.register(write_operations)
operations.register(sharing_operations)
operations.register(system_operations)

urlpatterns = [
    path("workflows", workflows.WorkflowList.as_view(), name="workflows"),
    path("workflows/<str:name>", workflows.WorkflowDetail.as_view(), name="workflow"),
    path("runs", views.RunList.as_view(), name="runs"),
    path("runs/<uuid:run_id>", polled(views.RunDetail.as_view()), name="run"),
    path("runs/<uuid:run_id>/events", described(run_events), name="run-events"),
    path("runs/<uuid:run_id>/items", items.RunItems.as_view(), name="run-items"),
    path("runs/<uuid:run_id>/result", results.RunResult.as_view(), name="run-result"),
    path("runs/<uuid:run_id>/steps", views.RunSteps.as_view(), name="run-steps"),
    path("runs/<uuid:run_id>/steps/<str:step>/attempts", views.StepAttempts.as_view(), name="step-attempts"),
    path("runs/<uuid:run_id>/steps/<str:step>/skip", verbs.StepSkip.as_view(), name="step-skip"),
    path("runs/<uuid:run_id>/signals/<str:name>", verbs.RunSignal.as_view(), name="run-signal"),
    path("runs/<uuid:run_id>/cancel", verbs.RunCancel.as_view(), name="run-cancel"),
    path("runs/<uuid:run_id>/retry", verbs.RunRetry.as_view(), name="run-retry"),
    path("runs/<uuid:run_id>/rerun", verbs.RunRerun.as_view(), name="run-rerun"),
    path("runs/<uuid:run_id>/compensate", verbs.RunCompensate.as_view(), name="run-compensate"),
    path("runs/<uuid:run_id>/share-links", ShareLinks.as_view(), name="share-links"),
    path("runs/<uuid:run_id>/share-links/<int:link_id>", OneShareLink.as_view(), name="share-link"),
    path("shared/<str:secret>", described(shared(views.RunDetail)), name="shared"),
    path("shared/<str:secret>/events", described(shared_events), name="shared-events"),
    path("shared/<str:secret>/items", described(shared(items.RunItems)), name="shared-items"),
    path("shared/<str:secret>/result", described(shared(results.RunResult)), name="shared-result"),
    path("stream-tickets", StreamTickets.as_view(), name="stream-tickets"),
    path("system", system.SystemStatus.as_view(), name="system"),
    re_path("", no_such_address),
]
