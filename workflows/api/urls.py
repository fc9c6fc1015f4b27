from django.urls import path

from workflows.api import views
from workflows.api.events import run_events

urlpatterns = [
    path("runs", views.RunList.as_view(), name="runs"),
    path("runs/<uuid:run_id>", views.RunDetail.as_view(), name="run"),
    path("runs/<uuid:run_id>/events", run_events, name="run-events"),
    path("runs/<uuid:run_id>/items", views.RunItems.as_view(), name="run-items"),
    path("runs/<uuid:run_id>/result", views.RunResult.as_view(), name="run-result"),
    path("runs/<uuid:run_id>/retry", views.RunRetry.as_view(), name="run-retry"),
    path("runs/<uuid:run_id>/compensate", views.RunCompensate.as_view(), name="run-compensate"),
]
