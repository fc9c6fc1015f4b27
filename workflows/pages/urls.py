from django.urls import path

from workflows.pages.acting import answer_wait, stop_run
from workflows.pages.problems import problem_list, problem_page
from workflows.pages.results import result_page
from workflows.pages.shared import shared_page
from workflows.pages.views import run_page

urlpatterns = [
    path("runs/<uuid:run_id>/", run_page, name="run-page"),
    path("runs/<uuid:run_id>/result/", result_page, name="run-result-page"),
    path("runs/<uuid:run_id>/stop/", stop_run, name="run-stop"),
    path("runs/<uuid:run_id>/answer/<str:name>/", answer_wait, name="run-answer"),
    path("s/<str:secret>/", shared_page, name="shared-page"),
    path("docs/problems/", problem_list, name="problems"),
    path("docs/problems/<slug:slug>", problem_page, name="problem"),
]
