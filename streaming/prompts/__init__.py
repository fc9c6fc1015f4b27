"""The words that ask a model for JSON, from the Pydantic model that later checks it. Why so: docs/prompts.md."""

from streaming.prompts.asking import MATERIAL_LANGUAGE, document_prompt, item_prompt

__all__ = ["MATERIAL_LANGUAGE", "document_prompt", "item_prompt"]
