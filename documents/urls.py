"""The document service's addresses, from the root of the site; its pages are in `pages.py`."""

from django.urls import path

from documents import api

urlpatterns = [
    path("api/analysis", api.StartAnalysis.as_view(), name="start-analysis"),
    path("runs/<uuid:run_id>/report.html", api.report, {"format": "html"}, name="report-html"),
    path("runs/<uuid:run_id>/report.pdf", api.report, {"format": "pdf"}, name="report-pdf"),
    path("s/<str:secret>/report.html", api.shared_report, {"format": "html"}, name="shared-report-html"),
    path("s/<str:secret>/report.pdf", api.shared_report, {"format": "pdf"}, name="shared-report-pdf"),
]
