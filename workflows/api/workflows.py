"""The definitions that this service knows: what a run takes, what its steps are, what they stream and wait for."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.etags import tagged
from workflows.api.pagination import whole_number
from workflows.definitions import FanOut, Step, Wait, Workflow, find, registry
from workflows.engine.plan import freeze

VERSION_MAX = 10**9 - 1


class WorkflowList(APIView):
    def get(self, request: Request) -> Response:
        """Each workflow in its newest version."""
        found = [find(name) for name in registry.names()]
        return tagged(request, {"workflows": [_row(workflow) for workflow in found]})


class WorkflowDetail(APIView):
    def get(self, request: Request, name: str) -> Response:
        """One workflow with its schemas. Query: version."""
        text = request.query_params.get("version")
        version = None if text is None else whole_number(text, name="version", low=0, high=VERSION_MAX)
        workflow = find(name, version=version)
        return tagged(request, {**_row(workflow), **_schemas(workflow)})


def _row(workflow: Workflow) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "version": workflow.version,
        "versions": registry.versions(workflow.name),
        "title": workflow.title,
        "on_failure": workflow.on_failure,
        "deadline_seconds": workflow.deadline,
        "startable_here": not workflow.trusted_input,
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "kind": step.kind,
                "position": step.position,
                "stage": step.stage,
                "branch": step.branch,
                "over": step.over,
                "has_undo": step.has_undo,
                "pivot": step.pivot,
                "retry_only": step.retry_only,
                "max_attempts": step.attempts,
                "timeout_seconds": step.timeout,
            }
            for step in freeze(workflow).steps
        ],
    }


def _schemas(workflow: Workflow) -> dict[str, Any]:
    """JSON Schemas: of the input, of each step's output and items, of the answer to each wait."""
    return {
        "input_schema": workflow.input.model_json_schema(),
        "schemas": {node.name: _schema_of(node) for node in workflow.nodes},
    }


def _schema_of(node: Step[Any] | Wait[Any] | FanOut) -> dict[str, Any]:
    step = node.step if isinstance(node, FanOut) else node
    schemas: dict[str, Any] = {"output": step.output.json_schema(mode="serialization")}
    if isinstance(step, Step) and step.items is not None:
        schemas["items"] = step.items.model_json_schema(mode="serialization")
    if isinstance(step, Wait):
        schemas["answer"] = None if step.schema is None else step.schema.model_json_schema()
    return schemas
