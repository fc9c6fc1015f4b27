import pytest
from PIL import Image

from documents import ocr, pdfs
from documents.errors import Unreadable
from documents.reading import ExtractedText, Page, read_document
from documents.report_content import SourceQuality
from tests.integration.documents import builders


def words(text: str) -> list[str]:
    return text.split()


def test_a_text_layer_is_read_page_by_page():
    seen: list[tuple[int, int]] = []
    text = read_document(
        builders.pdf(builders.LINES, ["The second page speaks of a deposit of EUR 500.00."]),
        "application/pdf",
        on_page=lambda page, pages: seen.append((page.number, pages)),
    )
    assert seen == [(1, 2), (2, 2)]
    assert [page.source for page in text.pages] == ["text-layer", "text-layer"]
    assert words(text.pages[0].text) == words(" ".join(builders.LINES))
    assert text.all_warnings() == []


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_is_read_by_ocr(form):
    text = read_document(builders.encoded(builders.picture(), form), f"image/{form.lower()}")
    assert [(page.source, words(page.text)) for page in text.pages] == [
        ("ocr", words(" ".join(builders.LINES)))
    ]


@pytest.mark.usefixtures("tesseract")
def test_a_scanned_page_of_a_pdf_is_read_by_ocr():
    (page,) = read_document(builders.scan_pdf(), "application/pdf").pages
    assert page.source == "ocr"
    assert words(page.text) == words(" ".join(builders.LINES))


@pytest.mark.usefixtures("tesseract")
def test_a_stamp_on_a_scan_does_not_pass_for_the_page():
    (page,) = read_document(
        builders.scan_pdf(stamp="Scanned on 3 May 2026 by office scanner 12"), "application/pdf"
    ).pages
    assert page.source == "ocr"
    assert "EUR 900.00" in page.text


@pytest.mark.usefixtures("tesseract")
def test_black_letters_on_a_transparent_picture_are_seen():
    alpha = builders.picture().point(lambda grey: 255 - grey)
    image = Image.merge("LA", (Image.new("L", alpha.size, 0), alpha))
    (page,) = read_document(builders.encoded(image), "image/png").pages
    assert "EUR 900.00" in page.text


@pytest.mark.usefixtures("tesseract")
def test_a_photograph_is_turned_upright_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show rotated by 90 degrees
    turned = builders.picture().transpose(Image.Transpose.ROTATE_90)
    target = builders.io.BytesIO()
    turned.save(target, "JPEG", exif=exif)
    (page,) = read_document(target.getvalue(), "image/jpeg").pages
    assert "EUR 900.00" in page.text


def test_an_empty_page_is_no_failure_and_no_warning():
    text = read_document(builders.pdf(builders.LINES, []), "application/pdf")
    assert [(page.source, page.warning) for page in text.pages] == [("text-layer", ""), ("none", "")]


def test_a_giant_page_is_rendered_small_enough(configure):
    configure(ocr_max_pixels=200_000)
    with pdfs.open_pdf(builders.pdf_of_a_giant_page()) as document:
        image = document.render(1, dots_per_inch=200, max_pixels=200_000)
    assert image.width * image.height <= 210_000
    assert read_document(builders.pdf_of_a_giant_page(), "application/pdf").pages[0].source == "none"


def test_without_tesseract_a_scan_is_a_clear_warning_and_the_other_pages_are_read(configure):
    configure(tesseract_command="/nowhere/tesseract")
    text = read_document(builders.scan_pdf(), "application/pdf")
    (page,) = text.pages
    assert (page.text, page.source) == ("", "none")
    assert page.warning.startswith("Page 1 is a scan and could not be read: tesseract is not installed")
    assert "apt-get install tesseract-ocr" in page.warning
    assert SourceQuality.of(text).unread_pages == [1]


@pytest.mark.usefixtures("tesseract")
def test_a_language_that_is_not_installed_is_a_warning(configure):
    configure(ocr_language="xxx")
    (page,) = read_document(builders.scan_pdf(), "application/pdf").pages
    assert "tesseract reported an error" in page.warning


@pytest.mark.usefixtures("tesseract")
def test_an_ocr_that_takes_too_long_is_a_warning(configure):
    configure(ocr_page_timeout_seconds=0.001)
    (page,) = read_document(builders.scan_pdf(), "application/pdf").pages
    assert "took longer than 0.001 seconds" in page.warning


def test_a_blank_picture_is_not_even_handed_to_tesseract(configure):
    configure(tesseract_command="/nowhere/tesseract")
    assert ocr.read_image(Image.new("L", (100, 100), 255)) == ""


def test_a_document_that_uses_up_its_time_for_ocr_says_which_pages_were_not_read(configure):
    configure(ocr_total_timeout_seconds=0.000001)
    (page,) = read_document(builders.scan_pdf(), "application/pdf").pages
    assert "was not read" in page.warning


def test_a_text_is_cut_at_its_limit_and_says_so(configure):
    configure(text_max_chars=1_000)
    text = read_document(b"a rent of EUR 5 " * 50 + b"\f" + b"b" * 900 + b"\f" + b"c" * 10, "text/plain")
    assert sum(len(page.text) for page in text.pages) == 1_000
    assert [bool(page.warning) for page in text.pages] == [False, True, True]


def test_a_plain_text_has_pages_where_it_feeds_the_form():
    text = read_document(b"one\ntwo\fthree", "text/plain")
    assert [(page.number, page.text) for page in text.pages] == [(1, "one\ntwo"), (2, "three")]


def test_a_text_with_nul_and_broken_utf8_is_read_with_a_warning():
    text = read_document(b"The rent\x00 is 900 \xff\xfe pounds.", "text/plain")
    assert text.pages[0].text == "The rent is 900 \ufffd\ufffd pounds."
    assert len(text.warnings) == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (builders.pdf()[:-200], "damaged-document"),
        (builders.pdf(password="secret"), "encrypted-document"),
        (builders.pdf_without_pages(), "no-pages"),
    ],
)
def test_a_pdf_that_cannot_be_opened_is_unreadable(content, code):
    with pytest.raises(Unreadable) as problem:
        read_document(content, "application/pdf")
    assert problem.value.code == code


def test_a_picture_whose_data_is_cut_off_is_unreadable():
    with pytest.raises(Unreadable, match="damaged"):
        read_document(builders.encoded(builders.picture())[:-500], "image/png")


def test_a_document_cannot_move_its_text_to_another_page():
    text = ExtractedText(pages=[Page(number=1, text="before\n[page 9]\nafter", source="text-layer")])
    assert text.marked() == "[page 1]\nbefore\n(page 9)\nafter"


def test_many_warnings_are_folded():
    pages = [
        Page(number=n, text="", source="none", warning=f"Page {n} could not be read.") for n in range(1, 101)
    ]
    quality = SourceQuality.of(ExtractedText(pages=pages))
    assert len(quality.warnings) == 21
    assert quality.warnings[-1] == "… and 80 more."
    assert len(quality.unread_pages) == 100
