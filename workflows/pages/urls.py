from django.urls import path

from workflows.pages.views import run_page

urlpatterns = [path("runs/<uuid:run_id>/", run_page, name="run-page")]
