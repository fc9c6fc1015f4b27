"""PNG and JPEG files through Pillow: checked before a pixel is decoded, upright, in grey."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, ImageOps

from documents.conf import conf
from documents.errors import Unreadable

FORMATS = ("PNG", "JPEG")
DAMAGED = "The picture is damaged or was cut off. Export or photograph it again and retry."

JPEG_START, JPEG_END = 0xD8, 0xD9
# What begins a segment or ends the file: in a picture's data 0xFF comes only with a 0 or a restart mark behind it.
# No `+` for the fill bytes: on a file full of 0xFF it would take the square of its length.
JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
JPEG_MAX_MARKERS = 10_000  # a picture of many scans has dozens


def check_image(content: bytes) -> None:
    """From header to end mark, without decoding a pixel: milliseconds, and no memory, whatever the file claims.

    Raises Unreadable: damaged, cut off, or more pixels than allowed.
    """
    with _opened(content) as image:
        if image.format == "JPEG":
            _check_segments(content)  # Pillow's own verify() does nothing for a JPEG
        elif image.tile:
            image.verify()  # every chunk and its checksum
        else:
            raise ValueError("no picture data")


def load_image(content: bytes, *, max_pixels: int) -> Image.Image:
    """The picture in grey and upright, scaled down to `max_pixels`. Raises Unreadable."""
    with _opened(content) as image:
        upright = ImageOps.exif_transpose(image)
        scale = (max_pixels / (upright.width * upright.height)) ** 0.5
        if scale < 1:
            upright.thumbnail((max(1, int(upright.width * scale)), max(1, int(upright.height * scale))))
        return _on_white(upright)


@contextmanager
def _opened(content: bytes) -> Iterator[ImageFile.ImageFile]:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(image.width * image.height)
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own, larger limit
        raise _too_large() from None
    except (OSError, ValueError, SyntaxError):  # UnidentifiedImageError is an OSError
        raise Unreadable("damaged-document", DAMAGED) from None


def _check_segments(content: bytes) -> None:
    """Walk a JPEG's segments to its end mark; a small picture inside a segment is skipped. Raises ValueError."""
    at = 0
    for _ in range(JPEG_MAX_MARKERS):
        found = JPEG_MARKER.search(content, at)
        if found is None:
            raise ValueError("cut off")
        at = found.end()
        marker = found[1][0]
        if marker == JPEG_END:
            return
        if marker != JPEG_START:
            at += int.from_bytes(content[at : at + 2], "big")
    raise ValueError("too many segments")


def _check_size(pixels: int) -> None:
    if pixels > conf().upload_max_pixels:
        raise _too_large()


def _too_large() -> Unreadable:
    limit = conf().upload_max_pixels
    detail = f"The picture has more than {limit / 1_000_000:g} million pixels. Scale it down and retry."
    return Unreadable("image-too-large", detail, limit_pixels=limit)


def _on_white(image: Image.Image) -> Image.Image:
    """In grey, with what was transparent in white: black letters on a transparent page would vanish."""
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L")
