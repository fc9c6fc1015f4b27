"""docs/clients.md says nothing that is not so."""

import inspect
import re
from pathlib import Path

from streaming import client
from streaming.client import AsyncClient, Client

GUIDE = Path("docs/clients.md").read_text()


def test_the_examples_are_python() -> None:
    examples = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    assert len(examples) == 3
    for example in examples:
        compile(example, "docs/clients.md", "exec")


def test_every_call_and_error_of_the_tables_exists_and_none_is_left_out() -> None:
    rows = re.findall(r"^\| (`.+?) \|", GUIDE, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    calls = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    errors = {name for name in client.__all__ if name not in {"AsyncClient", "Client", "ClientError"}}

    assert named == (calls - {"close"}) | (errors - {"Patience", "Picture", "cursor_of"})


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_"):
            twin = getattr(AsyncClient, name)
            assert list(inspect.signature(twin).parameters) == list(inspect.signature(method).parameters), (
                name
            )
