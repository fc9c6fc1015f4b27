"""The requests in docs/verbs.md, sent as they stand there to a run of the document analysis."""

import re
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from documents.flows import document_analysis, extract_findings
from documents.uploads import receive
from streaming.llm import ModelUnavailable
from workflows.models import Run
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = re.compile(r"^curl .*/api/v1/runs/ID/(\S+) .*-d '(.*)'$", re.MULTILINE)
BODIES = dict(REQUEST.findall(Path("docs/verbs.md").read_text()))
LETTER = b"The lease ends on 31 December 2029."


@pytest.fixture
def failed(owner, longhaul) -> Run:
    """Its model was away for good."""
    for _ in range(extract_findings.retry.attempts):
        longhaul.model.script(ModelUnavailable("The model does not answer."))
    run = longhaul.start(document_analysis, input=receive(ContentFile(LETTER, name="a.txt")), owner=owner)
    return longhaul.finish(run)


def send(client: Client, run: Run, verb: str) -> int:
    address = f"/api/v1/runs/{run.pk}/{verb}"
    return client.post(address, BODIES[verb], content_type="application/json").status_code


def test_the_example_of_a_skip_completes_a_run_whose_model_is_away(client, operator, failed, longhaul):
    assert failed.state == RunState.FAILED
    client.force_login(operator)
    (skip,) = [verb for verb in BODIES if verb.endswith("/skip")]
    assert send(client, failed, skip) == 202
    assert longhaul.finish(failed).state == RunState.COMPLETED
