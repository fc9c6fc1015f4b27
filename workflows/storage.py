"""Large values in Django's storage: the local folder by default, S3 and others through `STORAGES`."""

import hashlib
from typing import cast
from uuid import UUID

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from workflows.errors import StoredValueLost


def folder_of(run_id: UUID) -> str:
    """Where the large values of a run lie, and nothing else."""
    return f"runs/{run_id}/outputs"


def save(name: str, content: bytes) -> str:
    """Store `content`; returns the name that it got."""
    return default_storage.save(name, ContentFile(content))


def load(name: str, *, sha256: str) -> bytes:
    """The content stored as `name`. Raises StoredValueLost when it is missing, or not what was stored."""
    with opened(name) as file:
        content: bytes = file.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged()
    return content


def opened(name: str) -> "File[bytes]":
    """The file stored as `name`, to read from. Raises StoredValueLost when it is missing."""
    try:
        return cast("File[bytes]", default_storage.open(name))
    except FileNotFoundError:
        raise StoredValueLost(
            "A large result is missing from the storage; run the step that made it again.",
            code="stored-value-missing",
        ) from None


def verify(name: str, *, sha256: str) -> None:
    """As `load`, without the content in memory."""
    digest = hashlib.sha256()
    with opened(name) as file:
        for chunk in file.chunks():
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise damaged()


def damaged() -> StoredValueLost:
    return StoredValueLost(
        "A large result is damaged in the storage; run the step that made it again.",
        code="stored-value-damaged",
    )


def remove(name: str) -> None:
    """Remove one value; one that is gone is fine."""
    default_storage.delete(name)


def remove_all(run_id: UUID) -> None:
    """Remove all large values of a run."""
    folder = folder_of(run_id)
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        default_storage.delete(f"{folder}/{name}")
