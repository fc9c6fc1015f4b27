"""What a file is, by its bytes alone: names and headers are the sender's claim."""

import re
from typing import Literal, NamedTuple

from documents.decoding import ASCII_TEXT, is_mostly_text

MediaType = Literal["application/pdf", "image/png", "image/jpeg", "text/plain"]

EXTENSIONS: dict[MediaType, str] = {
    "application/pdf": ".pdf",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "text/plain": ".txt",
}
HEAD_BYTES = 65_536  # enough for every signature and a fair sample of a text
PDF_HEADER_WITHIN_BYTES = 1_024  # readers accept a header that starts a little late

# At the very start of the file, so that a PDF glued behind a program does not pass as a PDF.
FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a Java or macOS program"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "a rich text document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"RIFF", "a WebP picture, a sound or a video"),
    (b"BM", "a BMP picture"),
    (b"%!PS", "a PostScript document"),
    (b"SQLite format 3", "a database"),
)
MARKUP = re.compile(rb"\s*<(?:!doctype|html|svg|\?xml|script)\b", re.IGNORECASE)


class Sniffed(NamedTuple):
    media_type: MediaType | None  # None: nothing that is read here
    looks_like: str = ""  # what it seems to be instead, in words; empty when unknown


def sniff(head: bytes) -> Sniffed:
    """The type of a file by its first bytes (HEAD_BYTES of them, or the whole file)."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Sniffed("image/png")
    if head.startswith(b"\xff\xd8\xff"):
        return Sniffed("image/jpeg")
    for signature, name in FOREIGN:
        if head.startswith(signature) and not _is_a_word(signature, head):
            return Sniffed(None, name)
    if b"%PDF-" in head[:PDF_HEADER_WITHIN_BYTES]:
        return Sniffed("application/pdf")
    if MARKUP.match(head):
        return Sniffed(None, "a web page or another markup file")
    return Sniffed("text/plain") if is_mostly_text(head) else Sniffed(None)


def _is_a_word(signature: bytes, head: bytes) -> bool:
    """Whether a signature made of letters is just how a text begins ("BMW …", "MZ …")."""
    return signature.isalpha() and not head[:16].translate(None, ASCII_TEXT) and is_mostly_text(head)
