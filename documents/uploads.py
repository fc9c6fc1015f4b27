"""The border: a document that a person sent is examined, then refused with a way out, or stored.

    document = receive(request.FILES["file"])        # or UploadRefused
    start_analysis(document, owner=user)             # discards it when it starts no run

Light checks only. What takes time (reading the pages) is the worker's, where it costs an attempt at most.
"""

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from django.core.files.base import File
from django.core.files.storage import default_storage
from pydantic import BaseModel, ConfigDict

from documents.conf import conf
from documents.errors import Unreadable, UploadRefused
from documents.images import check_image
from documents.pdfs import count_pages
from documents.sniffing import EXTENSIONS, HEAD_BYTES, MediaType, sniff

__all__ = ["DocumentInput", "UploadRefused", "clean_title", "discard", "display_name", "receive", "too_large"]

MAX_NAME_CHARS = 120
MAX_TITLE_CHARS = 200
CHUNK_BYTES = 65_536
ACCEPTED = "a PDF, a PNG or JPEG picture, or a plain text file"


class DocumentInput(BaseModel):
    """A stored document: the input of its analysis."""

    model_config = ConfigDict(frozen=True)

    filename: str  # for people to read; the file is stored under another name
    media_type: MediaType  # as sniffed
    storage_name: str
    size_bytes: int
    sha256: str


def receive(upload: "File[Any]", *, name: str | None = None) -> DocumentInput:
    """Examine and store an uploaded file. Raises UploadRefused.

    name: what the sender calls it; by default the name that came with the upload.
    """
    content = b"".join(_limited(upload))
    media_type = _examine(content)
    random_name = f"uploads/{uuid4().hex}{EXTENSIONS[media_type]}"
    return DocumentInput(
        filename=display_name(name if name is not None else upload.name or ""),
        media_type=media_type,
        storage_name=default_storage.save(random_name, File(io.BytesIO(content))),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def discard(document: DocumentInput) -> None:
    """Remove a stored document for which no run could be started."""
    default_storage.delete(document.storage_name)


def too_large() -> UploadRefused:
    limit = conf().upload_max_bytes
    detail = (
        f"The document is larger than {limit / 1_000_000:.3g} MB. Send it in parts, or in a lower resolution."
    )
    return UploadRefused("payload-too-large", detail, limit_bytes=limit)


def display_name(raw: str) -> str:
    """A file name that is safe to show: no folders, no control or direction characters, not too long."""
    name = _printable(re.split(r"[/\\]", raw)[-1]).lstrip(". ")
    if len(name) > MAX_NAME_CHARS:
        extension = re.search(r"\.\w{1,8}$", name)
        ending = "…" + (extension.group() if extension else "")
        name = name[: MAX_NAME_CHARS - len(ending)].rstrip() + ending
    return name or "document"


def clean_title(raw: str) -> str:
    """A title that is safe to show, "" when nothing of it is left."""
    return _printable(raw)[:MAX_TITLE_CHARS]


def _printable(raw: str) -> str:
    """On one line, without what moves, hides or breaks the text around it."""
    text = unicodedata.normalize("NFC", raw.encode("utf-8", "replace").decode("utf-8"))
    text = "".join(" " if char.isspace() else char for char in text)
    text = "".join(char for char in text if not unicodedata.category(char).startswith("C"))
    return " ".join(text.split())


def _limited(upload: "File[Any]") -> Iterator[bytes]:
    """The bytes of the upload, counted as they come: a declared length is only a claim."""
    limit, seen = conf().upload_max_bytes, 0
    upload.seek(0)
    while chunk := upload.read(CHUNK_BYTES):
        seen += len(chunk)
        if seen > limit:
            raise too_large()
        yield chunk


def _examine(content: bytes) -> MediaType:
    if not content:
        raise UploadRefused("empty-file", "The file is empty. Save it again, or choose another one.")
    media_type, looks_like = sniff(content[:HEAD_BYTES])
    if media_type is None:
        seems = (
            f"This looks like {looks_like}" if looks_like else "This is not a type of file that can be read"
        )
        raise UploadRefused("unsupported-type", f"{seems}, whatever its name says. Send {ACCEPTED}.")
    try:
        if media_type == "application/pdf":
            _check_pages(count_pages(content))
        elif media_type != "text/plain":
            check_image(content)
    except Unreadable as problem:
        raise UploadRefused(problem.code, problem.detail, **problem.extras) from None
    return media_type


def _check_pages(pages: int) -> None:
    limit = conf().upload_max_pages
    if pages > limit:
        detail = f"The document has {pages} pages; at most {limit} are read at once. Send it in parts."
        raise UploadRefused("too-many-pages", detail, pages=pages, limit_pages=limit)
