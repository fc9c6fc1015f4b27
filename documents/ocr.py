"""Pictures in, text out: the tesseract program through pytesseract."""

from threading import Lock

import pytesseract
from PIL import Image

from documents.conf import conf
from documents.decoding import clean

COMMAND = Lock()  # the program's path is a global of pytesseract
INSTALL = (
    "install it with `apt-get install tesseract-ocr`, or name it in LONGHAUL_TESSERACT_COMMAND, and retry"
)


class OcrFailed(Exception):
    """A picture that could not be read; the message is the end of a sentence for a person."""


class OcrMissing(OcrFailed):
    """There is no OCR program on this machine."""


def read_image(image: Image.Image, *, timeout_seconds: float | None = None) -> str:
    """The text in a picture, "" when there is none. Raises OcrFailed."""
    limit = min(conf().ocr_page_timeout_seconds, timeout_seconds or conf().ocr_page_timeout_seconds)
    grey = image.convert("L")
    darkest, lightest = grey.getextrema()
    if darkest == lightest:  # an empty page
        return ""
    try:
        return clean(_run(grey, timeout_seconds=limit)).strip()
    except (pytesseract.TesseractNotFoundError, PermissionError, NotADirectoryError):
        raise OcrMissing(f"tesseract is not installed: {INSTALL}") from None
    except pytesseract.TesseractError as error:
        raise OcrFailed(f"tesseract reported an error: {clean(str(error.message))[:200].strip()}") from None
    except RuntimeError:  # how pytesseract says that it killed the program
        raise OcrFailed(
            f"its OCR took longer than {limit:g} seconds; send it in a lower resolution"
        ) from None


def _run(image: Image.Image, *, timeout_seconds: float) -> str:
    with COMMAND:
        pytesseract.pytesseract.tesseract_cmd = conf().tesseract_command
    # Resolution as a hint: without it tesseract guesses, from a rendered page often badly.
    options = f"--dpi {conf().ocr_dots_per_inch}"
    return str(
        pytesseract.image_to_string(image, lang=conf().ocr_language, config=options, timeout=timeout_seconds)
    )
