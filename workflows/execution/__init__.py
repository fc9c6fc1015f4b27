from workflows.execution.context import StepContext

__all__ = ["StepContext"]
