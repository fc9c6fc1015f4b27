"""The document service's addresses, from the root of the site; its pages are in `pages.py`."""

from django.urls import path

from documents import api
from workflows.api.description.stand_ins import described

urlpatterns = [
    path("api/analysis", api.StartAnalysis.as_view(), name="start-analysis"),
    path("runs/<uuid:run_id>/report.html", described(api.report), {"format": "html"}, name="report-html"),
    path("runs/<uuid:run_id>/report.pdf", described(api.report), {"format": "pdf"}, name="report-pdf"),
    path(
        "s/<str:secret>/report.html",
        described(api.shared_report),
        {"format": "html"},
        name="shared-report-html",
    ),
    path(
        "s/<str:secret>/report.pdf", described(api.shared_report), {"format": "pdf"}, name="shared-report-pdf"
    ),
]
