"""Access to a model: one small protocol, an OpenAI-compatible client and an offline extractor behind it."""

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
from streaming.llm.registry import get_model

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
    "Usage",
    "get_model",
]
