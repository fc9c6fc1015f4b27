"""Access to a model: one small protocol; behind it an OpenAI-compatible client, an offline extractor, recordings."""

from streaming.llm.base import (
    Chunk,
    Finish,
    FinishReason,
    Model,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    Prompt,
    Usage,
)
from streaming.llm.offline import OfflineModel, Pace
from streaming.llm.recorded import RecordedModel
from streaming.llm.recorder import RecordingModel
from streaming.llm.registry import get_model
from streaming.llm.stopping import Stop, Stopper

__all__ = [
    "Chunk",
    "Finish",
    "FinishReason",
    "Model",
    "ModelError",
    "ModelRefused",
    "ModelUnavailable",
    "OfflineModel",
    "Pace",
    "Prompt",
    "RecordedModel",
    "RecordingModel",
    "Stop",
    "Stopper",
    "Usage",
    "get_model",
]
