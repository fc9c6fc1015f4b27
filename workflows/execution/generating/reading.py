"""From the text of an answer to items of the step's model, or to why a piece of it is none."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from outbox import wire
from streaming.conf import conf as streaming_conf
from streaming.parsers import AutoParser, Limits, NdjsonParser, ParserError, Reason, Rejected, Result
from workflows.conf import conf
from workflows.engine.items import RejectedItem, Repaired
from workflows.engine.storable import NotStorable, storable, storable_model
from workflows.errors import Fatal

ItemModel = TypeVar("ItemModel", bound=BaseModel)

# To write it again would not help: it is too much, or it is no item at all.
FINAL = (Reason.TRUNCATED, Reason.TRAILING, Reason.TOO_LONG, Reason.TOO_MANY_ITEMS, Reason.DOCUMENT_TOO_LONG)


@dataclass(frozen=True, kw_only=True)
class Found(Generic[ItemModel]):
    """value: as it is stored if its handler yields it so.  size: bytes of that.

    is_repaired: it was no JSON as written.  repaired: what it was before it became this.
    """

    item: ItemModel
    value: dict[str, Any]
    size: int
    is_repaired: bool = False
    repaired: Repaired | None = None


@dataclass(frozen=True, kw_only=True)
class NoItem:
    """size: bytes of what is held.  fault: why, for the one who writes it again.  pointer: its place in a document.

    text: the whole piece as written, where it makes sense to ask for it again.  is_cut: the answer ended inside it.
    """

    rejected: RejectedItem
    size: int
    fault: str
    pointer: str
    text: str | None = None
    is_cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[ItemModel]):
    """items: the model of each object.  paths: where they stand in a document; without any they come as lines.

    document: the model of that document, for providers that hold an answer to its schema.  repair: mend what is almost
    JSON.  Raises Fatal for paths that make no sense, and for a document without any.
    """

    items: type[ItemModel]
    paths: Sequence[str | Sequence[str]] = ()
    document: type[BaseModel] | None = None
    repair: bool = False
    limits: Limits = field(default_factory=lambda: streaming_conf().parser_limits())

    def __post_init__(self) -> None:
        try:
            self.parser()
        except ParserError as error:
            raise Fatal(str(error), code="wrong-paths") from None
        if self.document is not None and not self.paths:
            raise Fatal(
                f"The items of a {self.document.__name__} stand at paths= of it: name them, or leave out document=.",
                code="wrong-paths",
            )

    @property
    def schema(self) -> dict[str, Any] | None:
        """Of the whole answer. None: it is lines, or nobody said what it is."""
        return self.document.model_json_schema() if self.document else None

    def parser(self) -> NdjsonParser | AutoParser:
        if self.paths:
            return AutoParser(self.paths, self.limits, repair=self.repair)
        return NdjsonParser(self.limits, repair=self.repair)

    def judge(self, result: Result, *, is_document: bool) -> Found[ItemModel] | NoItem:
        """The item that a piece of the answer is, or why it is none."""
        if isinstance(result, Rejected):
            return self._unreadable(result, is_document=is_document)
        checked = self.check(result.value, result.position.offset, pointer=result.pointer)
        if isinstance(checked, Found) and result.repaired:
            mark = repaired("respelling", result.raw, result.position.offset)
            return replace(checked, is_repaired=True, repaired=mark)
        return checked

    def check(self, value: Any, position: int, *, pointer: str) -> Found[ItemModel] | NoItem:
        """position: bytes of the answer before it."""
        encoded = wire.encode(value)
        if len(encoded) > conf().item_max_bytes:
            return unfit(encoded, "too_large", position, pointer=pointer)
        try:
            item = self.items.model_validate(value, context={"pointer": pointer, "key": key_of(pointer)})
            stored = storable_model(item)
        except ValidationError as error:
            return unfit(encoded, schema_fault(error), position, pointer=pointer, text=encoded.decode())
        except NotStorable as error:
            reason = f"not storable: {error}"
            return unfit(encoded, reason, position, pointer=pointer, text=encoded.decode())
        size = len(wire.encode(stored))
        if size > conf().item_max_bytes:  # by what its model adds
            return unfit(encoded, "too_large", position, pointer=pointer)
        return Found(item=item, value=stored, size=size)

    def _unreadable(self, result: Rejected, *, is_document: bool) -> NoItem:
        is_whole = result.size <= self.limits.max_raw_bytes
        is_item = not is_document or bool(result.path) or "" in self.paths
        may_be_asked = is_whole and is_item and result.reason not in FINAL
        return NoItem(
            rejected=rejection(result.position.offset, str(result.reason), result.raw, result.size),
            size=len(result.raw.encode(errors="surrogatepass")),
            fault=f"{result.reason}: {result.detail}" if result.detail else str(result.reason),
            pointer=result.pointer,
            text=result.raw if may_be_asked else None,
            is_cut=result.reason is Reason.TRUNCATED,
        )


def unfit(encoded: bytes, reason: str, position: int, *, pointer: str, text: str | None = None) -> NoItem:
    """JSON that is no item of the step. encoded: it.  text: the same where it makes sense to ask for it again."""
    return NoItem(
        rejected=rejection(position, reason, encoded.decode(), len(encoded)),
        size=len(encoded),
        fault=reason,
        pointer=pointer,
        text=text,
    )


def rejection(position: int, reason: str, raw: str, size: int) -> RejectedItem:
    """What operators are told. size: bytes of the whole piece."""
    limits = conf()
    return RejectedItem(
        position=position,
        reason=storable(reason)[: limits.rejected_reason_max_chars],
        raw=storable(raw).encode()[: limits.rejected_raw_max_bytes].decode(errors="ignore"),
        raw_size=size,
    )


def repaired(by: Literal["respelling", "asking"], raw: str, position: int) -> Repaired:
    """raw: what was written at first; of it the hash is kept."""
    written = raw.encode(errors="surrogatepass")
    return Repaired(by=by, position=position, size=len(written), sha256=hashlib.sha256(written).hexdigest())


def schema_fault(error: ValidationError) -> str:
    """The first fault, without the value that has it."""
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"schema: {where}: {fault['msg']}"


def key_of(pointer: str) -> str | None:
    """The last name of a JSON Pointer: what the object that holds a value calls it. None for a line."""
    if not pointer:
        return None
    return pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
