from workflows.definitions.registry import find
from workflows.definitions.step import Retry, Step, step
from workflows.definitions.workflow import Workflow

__all__ = ["Retry", "Step", "Workflow", "find", "step"]
