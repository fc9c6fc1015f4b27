"""What can be wrong with a document.

    DocumentProblem      code: a stable slug; the message: what happened and the way out, for a person
    ├── UploadRefused    at the border: the sender's turn, nothing was stored
    └── Unreadable       found while opening or reading; the same again tomorrow, so no retry helps

The codes of refusals are the slugs in `documents/problems.py`, and payload-too-large.
"""


class DocumentProblem(Exception):
    def __init__(self, code: str, detail: str, **extras: int) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.extras = extras  # facts for a program, such as limit_bytes

    def __str__(self) -> str:
        return self.detail


class UploadRefused(DocumentProblem):
    """A document that is not accepted."""


class Unreadable(DocumentProblem):
    """A document that cannot be opened or read."""
