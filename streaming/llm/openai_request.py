"""What is sent to an OpenAI-compatible server, in the dialect that the settings name."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from openai.types.chat import ChatCompletionMessageParam

from streaming.llm.base import Prompt, ndjson
from streaming.llm.schemas import response_schema

StructuredOutput = Literal["off", "json_object", "json_schema"]
Prefill = Literal["none", "assistant", "prefix", "continue_final_message"]

GO_ON = (
    "An earlier answer to this was interrupted. These objects of it, one a line, are already stored. "
    "Do not write them again: go on with those that come after them. If none do, write no object, and no word.\n"
)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What the server takes beyond plain chat completions.

    structured_output: how an answer that is one document is held to its schema; lines are no document.
    prefill: how an interrupted answer of lines is gone on with: `assistant`, as the last message, is continued by
    llama.cpp and by gateways to models that take it; `prefix` marks it, for DeepSeek and Mistral;
    `continue_final_message` is for vLLM, SGLang and transformers. `none`: a sentence tells what is done.
    """

    structured_output: StructuredOutput = "off"
    prefill: Prefill = "none"

    def is_structured(self, prompt: Prompt) -> bool:
        return self.structured_output != "off" and prompt.schema is not None

    def is_prefilled(self, prompt: Prompt) -> bool:
        # A document cannot be gone on with from its items: what stood between them is not stored.
        return self.prefill != "none" and bool(prompt.done) and prompt.schema is None

    def messages(self, prompt: Prompt) -> list[ChatCompletionMessageParam]:
        asked: list[dict[str, Any]] = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.text},
        ]
        if self.is_prefilled(prompt):
            # Without the last line end: templates cut it off, and some providers refuse a blank at the end.
            begun: dict[str, Any] = {"role": "assistant", "content": ndjson(prompt.done).rstrip("\n")}
            asked.append(begun | ({"prefix": True} if self.prefill == "prefix" else {}))
        elif prompt.done:
            asked.append({"role": "user", "content": GO_ON + ndjson(prompt.done)})
        return cast(list[ChatCompletionMessageParam], asked)

    def extra_body(self, prompt: Prompt) -> dict[str, Any]:
        """Members of the request that the SDK has no argument for, or none that may be left out."""
        body: dict[str, Any] = {}
        if self.prefill == "continue_final_message" and self.is_prefilled(prompt):
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if self.structured_output == "json_object" and self.is_structured(prompt):
            body["response_format"] = {"type": "json_object"}
        elif prompt.schema is not None and self.is_structured(prompt):
            body["response_format"] = {"type": "json_schema", "json_schema": response_schema(prompt.schema)}
        return body
