"""Which values of a document are wanted, and what a value is called.

A path names the members on the way, joined by dots: `summary`, `report.title`. `item` stands for each element
of a list (as in ijson; a member of that name is met as well), `*` for each member of an object, whatever its
name. A name with a dot in it is written as a tuple: `("report.v2", "title")`. The empty path is the document.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from streaming.parsers.base import ParserError

ELEMENT, ANY = "item", "*"


class Node:
    """One step of the paths. path: as the caller wrote it, where one ends here."""

    __slots__ = ("members", "path")

    def __init__(self) -> None:
        self.members: dict[str, Node] = {}
        self.path: str | None = None


Nodes = tuple[Node, ...]


def tree_of(paths: Iterable[str | Sequence[str]]) -> Node:
    """The paths as a tree. Raises ParserError for none, an empty name, and for two that can mean one value."""
    named = {_name(path): _steps(path) for path in paths}
    if not named:
        raise ParserError("A document needs at least one path, such as items.item.")
    for (left, left_steps), (right, right_steps) in combinations(named.items(), 2):
        if all(ANY in pair or pair[0] == pair[1] for pair in zip(left_steps, right_steps, strict=False)):
            raise ParserError(
                f"The paths {left!r} and {right!r} overlap: a value would be given twice, or before it is whole."
            )
    root = Node()
    for name, steps in named.items():
        node = root
        for step in steps:
            node = node.members.setdefault(step, Node())
        node.path = name
    return root


def _name(path: str | Sequence[str]) -> str:
    return path if isinstance(path, str) else ".".join(path)


def _steps(path: str | Sequence[str]) -> tuple[str, ...]:
    steps = tuple(path.split(".") if path else ()) if isinstance(path, str) else tuple(path)
    if "" in steps:
        raise ParserError(f"The path {_name(path)!r} has an empty name in it.")
    return steps


def members_of(nodes: Nodes, key: str) -> Nodes:
    """Where the paths go on in the member `key`."""
    return tuple(node.members[step] for node in nodes for step in (key, ANY) if step in node.members)


def elements_of(nodes: Nodes) -> Nodes:
    """Where they go on in each element."""
    return tuple(node.members[ELEMENT] for node in nodes if ELEMENT in node.members)


def wanted(nodes: Nodes) -> str | None:
    """The path that ends here. There is at most one, and then no other goes on."""
    return nodes[0].path if nodes else None


def pointer_to(pointer: str, key: str) -> str:
    """The JSON Pointer of a member (RFC 6901)."""
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
