"""Files of the document service in Django's default storage, always with their size and SHA-256."""

import hashlib
from contextlib import suppress

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pydantic import BaseModel, ConfigDict


class StoredFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str  # in the storage; never a name that a person gave
    media_type: str
    size_bytes: int
    sha256: str


class FileDamaged(Exception):
    """The file is gone or is not the one that was stored; the message says which, for a person."""


def save_file(name: str, content: bytes, *, media_type: str) -> StoredFile:
    """Store `content` as `name`, in place of what an earlier try left there."""
    default_storage.delete(name)
    # The storage may have to choose another name when a rival wrote this one meanwhile: its answer counts.
    name = default_storage.save(name, ContentFile(content))
    return StoredFile(
        name=name, media_type=media_type, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def load_file(file: StoredFile) -> bytes:
    """The bytes that were stored. Raises FileDamaged."""
    try:
        with default_storage.open(file.name, "rb") as opened:
            content = bytes(opened.read())
    except FileNotFoundError:
        raise FileDamaged("A file of this run is no longer in the storage.") from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise FileDamaged("A file of this run was changed in the storage after it was written.")
    return content


def remove_folder(folder: str) -> int:
    """Delete every file directly in `folder`; how many there were. A missing folder has none."""
    try:
        _, names = default_storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except NotImplementedError:  # a storage that cannot list: callers delete first what they know by name
        return 0
    for name in names:
        default_storage.delete(f"{folder}/{name}")
    with suppress(OSError):  # the local storage keeps empty folders; a rival may have written a file just now
        default_storage.delete(folder)
    return len(names)


def step_folder(run_id: object, step: str) -> str:
    """Where a step of a run keeps its files: one an attempt, so that a late attempt overwrites nothing."""
    return f"runs/{run_id}/{step}"
