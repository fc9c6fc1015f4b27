import hashlib
import io
import struct
import time
import zlib

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from documents.uploads import UploadRefused, discard, receive
from tests.integration.documents import builders

PNG = builders.encoded(builders.picture())
PNG_WITHOUT_DATA = PNG[: PNG.index(b"IDAT") - 4] + PNG[PNG.index(b"IEND") - 4 :]


def refused(content: bytes, *, name: str = "document.pdf") -> UploadRefused:
    with pytest.raises(UploadRefused) as refusal:
        receive(ContentFile(content, name=name))
    return refusal.value


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (builders.pdf(), "lease.pdf", "application/pdf"),
        (builders.encoded(builders.picture()), "lease.png", "image/png"),
        (builders.encoded(builders.picture(), "JPEG"), "lease.jpg", "image/jpeg"),
        (b"The rent is 900 pounds.", "lease.txt", "text/plain"),
        (b"The rent\x00 is 900 \xff\xfe pounds a month and due in advance.", "broken.txt", "text/plain"),
        (builders.pdf(), "holiday.jpg", "application/pdf"),  # the name is believed in nothing
    ],
)
def test_a_document_is_stored_as_what_it_is(content, name, media_type):
    document = receive(ContentFile(content, name=name))
    assert document.media_type == media_type
    assert document.filename == name
    assert document.size_bytes == len(content)
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    with default_storage.open(document.storage_name) as file:
        assert file.read() == content


def test_a_file_is_stored_under_a_random_name_not_under_the_one_it_came_with(stored):
    names = {receive(ContentFile(builders.pdf(), name="../../evil\x00.pdf")).storage_name for _ in range(2)}
    assert len(names) == 2
    assert stored() == sorted(names)
    assert all(name.startswith("uploads/") and name.endswith(".pdf") and "evil" not in name for name in names)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "empty-file", "is empty"),
        (builders.PROGRAM, "unsupported-type", "Windows program"),
        (b"\x7fELF\x02\x01\x01" + bytes(200), "unsupported-type", "Linux program"),
        (b"PK\x03\x04" + bytes(100), "unsupported-type", "ZIP archive"),
        (bytes(range(256)) * 10, "unsupported-type", "Send a PDF"),
        (builders.pdf()[:-200], "damaged-document", "cut off"),
        (builders.pdf()[:300], "damaged-document", "again"),
        (b"%PDF-1.7\nnothing of a PDF %%EOF", "damaged-document", "damaged"),
        (builders.pdf_without_pages(), "no-pages", "has no pages"),
        (builders.pdf(password="secret"), "encrypted-document", "Remove the protection"),
        (builders.pdf_of_lost_pages(), "damaged-document", "damaged"),
        (builders.encoded(builders.picture())[:20], "damaged-document", "picture is damaged"),
        (builders.encoded(builders.picture())[:4_000], "damaged-document", "cut off"),
        (builders.encoded(builders.picture(), "JPEG")[:4_000], "damaged-document", "cut off"),
        (builders.encoded(builders.picture(), "JPEG")[:200], "damaged-document", "cut off"),
        (PNG_WITHOUT_DATA, "damaged-document", "picture is damaged"),
    ],
    ids=[
        "empty",
        "program",
        "elf",
        "zip",
        "binary",
        "truncated",
        "stub",
        "no-pdf",
        "0-pages",
        "encrypted",
        "lost-pages",
        "png-header",
        "half-png",
        "half-jpeg",
        "jpeg-header",
        "png-without-data",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_way_out_and_not_kept(content, code, words, stored):
    refusal = refused(content)
    assert refusal.code == code
    assert words in refusal.detail
    assert refusal.detail.endswith(".")
    assert stored() == []


def test_a_zero_page_pdf_with_a_broken_table_is_still_called_empty():
    assert refused(builders.pdf_without_pages().replace(b"\n0000000009", b"\n0000000001")).code == "no-pages"


def test_a_pdf_with_only_an_owner_password_can_be_read_by_anyone_and_is_accepted():
    assert receive(ContentFile(builders.pdf(password=""), name="a.pdf")).media_type == "application/pdf"


def test_a_file_above_the_limit_is_refused_while_it_is_read(configure, stored):
    configure(upload_max_bytes=200_000)

    class Endless(io.RawIOBase):
        read_bytes = 0

        def read(self, size=-1):
            self.read_bytes += size
            return b"a" * size

        def seek(self, offset, whence=0):
            return 0

    source = Endless()
    upload = ContentFile(b"", name="endless.txt")
    upload.file = source
    with pytest.raises(UploadRefused) as refusal:
        receive(upload)
    assert (refusal.value.code, refusal.value.extras) == ("payload-too-large", {"limit_bytes": 200_000})
    assert source.read_bytes < 400_000
    assert stored() == []


def test_a_file_of_60_megabytes_is_refused():
    refusal = refused(builders.pdf() + bytes(60_000_000))
    assert refusal.code == "payload-too-large"
    assert "20 MB" in refusal.detail


def test_too_many_pages_are_refused(configure):
    configure(upload_max_pages=2)
    refusal = refused(builders.pdf(["one"], ["two"], ["three"]))
    assert refusal.code == "too-many-pages"
    assert refusal.extras == {"pages": 3, "limit_pages": 2}


def test_a_picture_with_too_many_pixels_is_refused_by_its_header(configure):
    configure(upload_max_pixels=500_000)
    refusal = refused(builders.encoded(Image.new("1", (1_000, 1_000))))
    assert (refusal.code, refusal.extras) == ("image-too-large", {"limit_pixels": 500_000})


def test_a_picture_bomb_is_refused_without_unpacking_it():
    width = height = 50_000
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = (
        struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    assert refused(bomb, name="bomb.png").code == "image-too-large"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_that_lost_only_its_end_mark_is_refused(form):
    assert (
        refused(builders.encoded(builders.picture(), form)[: -12 if form == "PNG" else -2]).code
        == "damaged-document"
    )


def test_a_picture_of_which_a_byte_was_changed_is_refused():
    middle = len(PNG) // 2
    content = PNG[:middle] + bytes([PNG[middle] ^ 1]) + PNG[middle + 1 :]
    assert refused(content).code == "damaged-document"


def test_the_preview_in_a_photograph_does_not_pass_for_its_end():
    exif = b"Exif\0\0" + builders.encoded(builders.picture(size=(160, 120)), "JPEG")
    photograph = builders.encoded(builders.picture(), "JPEG", exif=exif)
    assert receive(ContentFile(photograph, name="a.jpg")).media_type == "image/jpeg"
    assert refused(photograph[:-1_000]).code == "damaged-document"


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"restart_marker_blocks": 1}, {"quality": 100}, {"comment": "\xff\xd9"}],
)
def test_every_kind_of_jpeg_passes_whole_and_is_refused_cut_off(options):
    photograph = builders.encoded(Image.effect_noise((800, 600), 80), "JPEG", **options)
    assert receive(ContentFile(photograph, name="a.jpg")).media_type == "image/jpeg"
    for size in range(len(photograph) // 7, len(photograph), len(photograph) // 7):
        assert refused(photograph[:size]).code == "damaged-document"


@pytest.mark.parametrize("filler", [b"\xff", b"\x00", b"\xff\xfe\x00\x02", b"\xff\xd8"])
def test_twenty_megabytes_of_anything_are_examined_at_once(filler, stored):
    head = builders.encoded(builders.picture(), "JPEG")[:-2]
    began = time.process_time()
    assert refused(head + filler * ((19_000_000 - len(head)) // len(filler))).code == "damaged-document"
    assert time.process_time() - began < 1.0
    assert stored() == []


def test_an_upload_for_which_no_run_starts_can_be_discarded(stored):
    discard(receive(ContentFile(builders.pdf(), name="a.pdf")))
    assert stored() == []
