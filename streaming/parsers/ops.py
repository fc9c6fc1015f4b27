"""A value that grows, as operations: how a reader tells what is new, and how a client follows.

    ["set", pointer, value]     the member, or the whole value when the pointer is empty, is `value`
    ["push", pointer, value]    the list has one more element
    ["append", pointer, text]   the text goes on

Pointers are those of RFC 6901. JSON Patch has no `append`: a text that grows would be sent anew each time.
"""

from typing import Any, Literal

Op = tuple[Literal["set", "push", "append"], str, Any]


class Pending:
    """A value that is being built, and the operations that nobody has taken yet.

    What was begun since the last `take` is told by one operation, however much has come into it meanwhile. A text
    that is open is held in parts, so that to grow by a word costs a word.
    """

    def __init__(self) -> None:
        self._root: Any = None
        self._open: list[tuple[Any, str]] = []  # containers that are open, with their pointers
        self._name = ""
        self._ops: list[Op] = []
        self._new_from: int | None = None  # depth of the outermost container that nobody has been told of
        self._text: list[str] | None = None
        self._text_told = 0  # parts of the text that were taken
        self._is_text_new = False

    @property
    def depth(self) -> int:
        return len(self._open)

    @property
    def is_in_object(self) -> bool:
        return isinstance(self._open[-1][0], dict)

    @property
    def value(self) -> Any:
        self._settle_text()
        return self._root

    @property
    def has_news(self) -> bool:
        return bool(self._ops) or self._has_more_text

    def name(self, name: str) -> bool:
        """The name of the next member. Returns whether it is the first one of that name."""
        self._name = name
        return name not in self._open[-1][0]

    def put(self, value: Any) -> str:
        """Add a value where one is expected. Returns its pointer."""
        if not self._open:
            self._root = value
            self._tell(("set", "", value))
            return ""
        container, pointer = self._open[-1]
        if isinstance(container, dict):
            container[self._name] = value
            pointer = f"{pointer}/{escaped(self._name)}"
            self._tell(("set", pointer, value))
            return pointer
        container.append(value)
        self._tell(("push", pointer, value))
        return f"{pointer}/{len(container) - 1}"

    def enter(self, container: dict[str, Any] | list[Any]) -> None:
        is_new = self._new_from is None
        pointer = self.put(container)
        if is_new:
            self._new_from = len(self._open)
        self._open.append((container, pointer))

    def leave(self) -> None:
        self._open.pop()
        if self._new_from is not None and len(self._open) <= self._new_from:
            self._new_from = None

    def begin_text(self) -> None:
        self._text_pointer = self.put("")
        self._text, self._text_told, self._is_text_new = [], 0, True

    def grow_text(self, more: str) -> None:
        assert self._text is not None  # between begin_text and end_text only
        self._text.append(more)

    def end_text(self) -> None:
        self._settle_text()
        self._tell_text()
        self._text = None

    def take(self) -> list[Op]:
        self._settle_text()
        self._tell_text()
        ops: list[Op] = [(verb, pointer, copied(value)) for verb, pointer, value in self._ops]
        self._ops.clear()
        self._new_from, self._is_text_new = None, False
        return ops

    def _tell(self, op: Op) -> None:
        if self._new_from is None:  # else it is in what is told as a whole
            self._ops.append(op)

    @property
    def _has_more_text(self) -> bool:
        return self._text is not None and len(self._text) > self._text_told

    def _tell_text(self) -> None:
        if self._has_more_text and not self._is_text_new:
            assert self._text is not None
            self._ops.append(("append", self._text_pointer, "".join(self._text[self._text_told :])))
        self._text_told = len(self._text or ())

    def _settle_text(self) -> None:
        """Put the open text, as far as it goes, where it belongs."""
        if self._text is None:
            return
        text = "".join(self._text)
        if not self._open:
            self._root = text
        elif self.is_in_object:
            self._open[-1][0][self._name] = text
        else:
            self._open[-1][0][-1] = text
        if self._is_text_new and self._new_from is None and self._ops:
            verb, pointer, _ = self._ops[-1]  # the one that begins it: nothing can have come after it
            self._ops[-1] = (verb, pointer, text)


def apply_ops(value: Any, ops: list[Op]) -> Any:
    """The value after the operations; changed in place where it can be. Raises LookupError or TypeError if they
    do not belong to it.
    """
    for verb, pointer, operand in ops:
        if not pointer and verb != "push":
            value = operand if verb == "set" else value + operand
            continue
        names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
        place = value
        for name in names if verb == "push" else names[:-1]:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if verb == "push":
            place.append(operand)
            continue
        last: Any = int(names[-1]) if isinstance(place, list) else names[-1]
        place[last] = operand if verb == "set" else place[last] + operand
    return value


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def copied(value: Any) -> Any:
    match value:
        case dict():
            return {name: copied(member) for name, member in value.items()}
        case list():
            return [copied(element) for element in value]
    return value
