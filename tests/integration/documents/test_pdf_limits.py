"""Files of a few kilobytes that ask for gigabytes: what they break is never the web server nor a worker."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest
from django.core.files.base import ContentFile

from documents import pdfs
from documents.errors import Unreadable, UploadRefused
from documents.reading import read_document
from documents.uploads import receive
from tests.integration.documents import builders

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to a memory limit")

# Far less than what the bombs unpack to.
LIMIT_BYTES = 150_000_000
GROWTH_BYTES = 30_000_000


@pytest.fixture(scope="module")
def bomb() -> bytes:
    content = builders.pdf_bomb()
    assert len(content) < 5_000
    return content


def peak_bytes() -> int:
    """The most memory that this process has had at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


@linux_only
def test_a_pdf_bomb_is_refused_at_the_border_and_costs_this_process_nothing(bomb, configure, stored):
    configure(pdf_max_memory_bytes=LIMIT_BYTES)
    before = peak_bytes()
    with pytest.raises(UploadRefused) as refusal:
        receive(ContentFile(bomb, name="lease.pdf"))
    assert peak_bytes() - before < GROWTH_BYTES
    assert refusal.value.code == "damaged-document"
    assert refusal.value.detail.endswith("Print it to a new PDF and retry.")
    assert stored() == []


@linux_only
def test_a_pdf_bomb_that_came_to_a_worker_is_unreadable_and_costs_it_nothing(bomb, configure):
    configure(pdf_max_memory_bytes=LIMIT_BYTES)
    before = peak_bytes()
    with pytest.raises(Unreadable, match="more memory or time"):
        read_document(bomb, "application/pdf")
    assert peak_bytes() - before < GROWTH_BYTES


@linux_only
def test_a_page_that_is_a_bomb_costs_only_itself(configure):
    configure(pdf_max_memory_bytes=LIMIT_BYTES)
    first, second = read_document(builders.pdf_with_a_bomb_on_its_first_page(), "application/pdf").pages
    assert (first.source, first.warning) == (
        "none",
        "Page 1 takes too much memory or time and could not be read.",
    )
    assert "EUR 900.00" in second.text


def test_a_file_that_takes_too_long_to_open_is_refused(bomb, configure):
    configure(pdf_open_timeout_seconds=0.01, pdf_max_memory_bytes=4_000_000_000)
    with pytest.raises(UploadRefused, match="more memory or time"):
        receive(ContentFile(bomb, name="lease.pdf"))


@linux_only
def test_a_document_whose_pages_all_break_the_reader_ends(configure):
    configure(
        pdf_max_memory_bytes=LIMIT_BYTES
    )  # not a tiny time limit: a fast answer may come before its timer
    pages = read_document(builders.pdf_of_bombs(pages=8), "application/pdf").pages
    assert [page.source for page in pages] == ["none"] * 8


def test_the_process_that_reads_gets_no_secret(monkeypatch: pytest.MonkeyPatch):
    seen: list[dict[str, str]] = []
    popen: Callable[..., object] = subprocess.Popen

    def watch(*args, **options):
        seen.append(options["env"])
        return popen(*args, **options)

    monkeypatch.setenv("SECRET_KEY", "canary")
    monkeypatch.setattr(pdfs.subprocess, "Popen", watch)
    assert pdfs.count_pages(builders.pdf()) == 1
    assert "canary" not in json.dumps(seen)


def test_nobody_is_left_when_a_reading_is_given_up():
    with pdfs.open_pdf(builders.pdf()) as document:
        child = document._child
        assert child is not None
    assert child._process.returncode is not None


@pytest.mark.parametrize(("width", "height"), [("100000000", "0.01"), ("0.01", "100000000")])
def test_a_page_of_no_width_is_a_warning_and_not_a_giant_picture(width, height):
    (page,) = read_document(builders.pdf_of_size(width, height), "application/pdf").pages
    assert page.source == "none"
    assert page.warning == ("Page 1 has a shape that cannot be read: it is far too long for its width.")
