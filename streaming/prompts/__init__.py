"""The words that ask a model for JSON, from the Pydantic model that later checks it. Why so: docs/prompts.md."""

from streaming.prompts.asking import MATERIAL_LANGUAGE, document_prompt, item_prompt
from streaming.prompts.reasking import reask_prompt, reask_text

__all__ = ["MATERIAL_LANGUAGE", "document_prompt", "item_prompt", "reask_prompt", "reask_text"]
