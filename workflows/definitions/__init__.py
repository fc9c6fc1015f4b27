from workflows.definitions.budget import Budget
from workflows.definitions.registry import find
from workflows.definitions.rejecting import FailAfter, OnRejected, ReAsk, Skip
from workflows.definitions.stages import FanOut, Parallel, fan_out, parallel
from workflows.definitions.step import OnRetry, Retry, Step, step
from workflows.definitions.waiting import Wait, wait_for
from workflows.definitions.workflow import Workflow

__all__ = [
    "Budget",
    "FailAfter",
    "FanOut",
    "OnRejected",
    "OnRetry",
    "Parallel",
    "ReAsk",
    "Retry",
    "Skip",
    "Step",
    "Wait",
    "Workflow",
    "fan_out",
    "find",
    "parallel",
    "step",
    "wait_for",
]
