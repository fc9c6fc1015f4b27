import pytest

from documents.uploads import clean_title, display_name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("lease.pdf", "lease.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\lease.pdf", "lease.pdf"),
        ("lease\x00.pdf", "lease.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("  two\n\tlines .pdf ", "two lines .pdf"),
        ("...", "document"),
        ("", "document"),
        ("/", "document"),
        (".hidden", "hidden"),
        ("Mietvertrag Zürich (final).pdf", "Mietvertrag Zürich (final).pdf"),
        ("\ud800bad.pdf", "?bad.pdf"),
        ("<script>alert(1)</script>.pdf", "script>.pdf"),
    ],
)
def test_a_file_name_is_made_safe_to_show(raw, shown):
    assert display_name(raw) == shown


def test_a_very_long_name_is_cut_and_keeps_its_ending():
    name = display_name("a" * 5_000 + ".pdf")
    assert len(name) == 120
    assert name.endswith("….pdf")


def test_a_title_may_hold_slashes_but_no_control_characters():
    assert clean_title(" Lease 3/4 \x00\u202e of Anna\n") == "Lease 3/4 of Anna"
    assert clean_title(" \n ") == ""
    assert len(clean_title("t" * 999)) == 200
