"""The definitions that this process knows, by name and version."""

from typing import TYPE_CHECKING

from workflows.errors import DefinitionError, UnknownWorkflow

if TYPE_CHECKING:
    from workflows.definitions.workflow import Workflow

_known: "dict[tuple[str, int], Workflow]" = {}


def register(workflow: "Workflow") -> None:
    key = (workflow.name, workflow.version)
    if key in _known:
        raise DefinitionError(
            f"workflow {workflow.name} version {workflow.version} is defined twice: raise the version"
        )
    _known[key] = workflow


def forget(workflow: "Workflow") -> None:
    """Remove a definition that a test registered."""
    _known.pop((workflow.name, workflow.version), None)


def find(name: str, *, version: int | None = None) -> "Workflow":
    """The definition, its newest version if none is named. Raises UnknownWorkflow."""
    known = versions(name)
    if not known:
        raise UnknownWorkflow(f"there is no workflow {name!r} here; known are {', '.join(names()) or 'none'}")
    if version is None:
        version = known[-1]
    if version not in known:
        raise UnknownWorkflow(f"workflow {name!r} has no version {version} here, only {known}")
    return _known[name, version]


def versions(name: str) -> list[int]:
    """The known versions of a workflow, oldest first."""
    return sorted(version for known_name, version in _known if known_name == name)


def names() -> list[str]:
    return sorted({name for name, _ in _known})
