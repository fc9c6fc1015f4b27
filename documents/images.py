"""PNG and JPEG files through Pillow: checked before a pixel is decoded, upright, in grey."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps

from documents.conf import conf
from documents.errors import Unreadable

FORMATS = ("PNG", "JPEG")
DAMAGED = "The picture is damaged or was cut off. Export or photograph it again and retry."


def check_image(content: bytes) -> None:
    """Read the header only. Raises Unreadable: damaged, or more pixels than allowed."""
    with _opened(content):
        pass


def load_image(content: bytes, *, max_pixels: int) -> Image.Image:
    """The picture in grey and upright, scaled down to `max_pixels`. Raises Unreadable."""
    with _opened(content) as image:
        upright = ImageOps.exif_transpose(image)
        scale = (max_pixels / (upright.width * upright.height)) ** 0.5
        if scale < 1:
            upright.thumbnail((max(1, int(upright.width * scale)), max(1, int(upright.height * scale))))
        return _on_white(upright)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(image.width * image.height)
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own, larger limit
        raise _too_large() from None
    except (OSError, ValueError, SyntaxError):  # UnidentifiedImageError is an OSError
        raise Unreadable("damaged-document", DAMAGED) from None


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
