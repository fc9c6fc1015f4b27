"""How the server ends a socket: the codes of the protocol."""

from dataclasses import dataclass

BAD_FRAME, NOT_SIGNED_IN, SILENT, TOO_MANY, TOO_OFTEN = 4400, 4401, 4408, 4409, 4429
RESTART, FAILED = 1012, 1011


@dataclass(frozen=True, slots=True)
class Close:
    """`reason`: under 124 bytes, for the client's author."""

    code: int
    reason: str
