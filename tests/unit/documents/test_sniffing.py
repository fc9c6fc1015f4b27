import pytest

from documents.decoding import clean, decode_text, is_mostly_text
from documents.sniffing import sniff


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b"\n\n%PDF-1.4\n\x00\x01\xff", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"Dear Sir or Madam", "text/plain"),
        (b"BMW leases the car to Mr Doe for 36 months.", "text/plain"),
        ("Miete: 900 €, für Zürich".encode(), "text/plain"),
        ("Договор аренды".encode("utf-16"), "text/plain"),
    ],
)
def test_what_is_read_here_is_known_by_its_bytes(head, media_type):
    assert sniff(head).media_type == media_type


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"MZ\x90\x00\x03\x00\x00\x00This program cannot be run in DOS mode. " * 3, "Windows program"),
        (b"\x7fELF\x02\x01\x01" + b"a" * 100, "Linux program"),
        (b"PK\x03\x04" + b"\x00" * 50, "ZIP"),
        (b"MZ\x90\x00" + b"\x00" * 60 + b"%PDF-1.4", "Windows program"),
        (b"<!DOCTYPE html><html><body>hi</body>", "web page"),
        (b"  <svg xmlns='x'><script>alert(1)</script></svg>", "markup"),
        (b"{\\rtf1 hello}", "rich text"),
        (b"GIF89a\x01\x00", "GIF"),
    ],
)
def test_anything_else_is_refused_and_named(head, words):
    sniffed = sniff(head)
    assert sniffed.media_type is None
    assert words in sniffed.looks_like


def test_bytes_without_a_sense_are_of_no_type():
    assert sniff(bytes(range(256)) * 4) == (None, "")
    assert sniff(b"\x00" * 100) == (None, "")


def test_a_text_with_a_few_broken_bytes_is_still_a_text():
    assert is_mostly_text(b"The rent is 900 \x00 pounds \xff\xfe a month, payable in advance.")


def test_clean_utf8_is_decoded_without_a_word():
    assert decode_text("Grüße, 5 €".encode()) == ("Grüße, 5 €", [])
    assert decode_text("\ufeffGrüße".encode()) == ("Grüße", [])


def test_nul_and_broken_utf8_are_repaired_and_said():
    text, warnings = decode_text(b"Rent\x00: 900 \xff pounds")
    assert text == "Rent: 900 \ufffd pounds"
    assert warnings == [
        "1 place of the text could not be decoded and shows as \ufffd.",
        "1 control character (such as NUL) had to be removed from the text.",
    ]


def test_windows_1252_is_recognised_so_that_pounds_stay_pounds():
    text, (warning,) = decode_text("The rent is £900 – “in advance”".encode("cp1252"))
    assert text == "The rent is £900 – “in advance”"
    assert "Windows-1252" in warning


def test_cleaning_keeps_line_ends_and_drops_what_a_database_refuses():
    assert clean("a\r\nb\rc\x00\ud800d\te\x0cf") == "a\nb\ncd\te\x0cf"
