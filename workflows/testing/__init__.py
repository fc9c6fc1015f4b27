"""Test helpers for teams: runs in process, on a clock of the test's own, with a scripted model and faults at will."""

from workflows.testing.clock import FakeClock
from workflows.testing.faults import Died
from workflows.testing.harness import Harness
from workflows.testing.isolation import isolated
from workflows.testing.model import ScriptedModel, Unscripted

__all__ = ["Died", "FakeClock", "Harness", "ScriptedModel", "Unscripted", "isolated"]
