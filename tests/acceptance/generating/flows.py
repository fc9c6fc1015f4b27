"""A step that streams the lines of a model, and a hand that arms a failpoint just before one of them is committed."""

from collections.abc import Generator
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel

from outbox import failpoints
from streaming.llm import Prompt
from workflows.definitions import Retry, Workflow, step

# `written`: in the transaction, which is rolled back; `committed`: right after it.
Moment = Literal["outbox.append.written", "workflows.items.committed"]

PROMPT = Prompt(system="Number the lines.", text="A long text.")
MAX_LINES = 500


class Line(BaseModel):
    number: int
    text: str


class Deaths(BaseModel):
    """at: number of a line → the moment at which the process that writes it is killed, once."""

    at: dict[int, Moment] = {}


@step(
    title="Writing lines", items=Line, timeout=3_000, retry=Retry(attempts=2 * MAX_LINES, base=0.01, cap=0.01)
)
def write_lines(ctx: Any) -> Generator[Line, None, int]:
    result = yield from _dying(ctx, ctx.generate(PROMPT, items=Line))
    return int(result.rejected)


def _dying(ctx: Any, lines: Generator[Line, None, Any]) -> Generator[Line, None, Any]:
    while True:
        try:
            line = next(lines)
        except StopIteration as end:
            return end.value
        moment = ctx.input.at.get(line.number)
        if moment is not None:
            _arm_once(f"{ctx.run_id}-{line.number}", moment)
        yield line


def _arm_once(name: str, moment: str) -> None:
    """Of all attempts that come here the first one is killed at its next visit to `moment`."""
    folder = failpoints.folder
    assert folder is not None, "LONGHAUL_FAILPOINTS_DIR names no folder"
    with suppress(FileExistsError), (folder / f"armed.{name}").open("x"):
        draft = folder / f"draft.{name}"
        draft.write_text("kill")
        draft.rename(folder / moment)


numbering = Workflow("acceptance-lines", version=1, input=Deaths, title="Numbered lines", steps=[write_lines])
