import pytest

from streaming.parsers import DocumentParser, Parsed, ParserError, Position, Reason, Rejected
from tests.unit.streaming.parsers.document_corpus import ALL, DOCUMENT, DOCUMENTS
from tests.unit.streaming.parsers.runs import documents, found, parse, parse_everyhow, reasons


@pytest.mark.parametrize("answer", DOCUMENTS, ids=lambda answer: answer.name)
def test_every_broken_document_gives_its_values_however_it_is_cut(answer):
    results, end = parse_everyhow(answer.text, make=documents(*answer.paths))

    assert found(results) == answer.found
    assert reasons(results) == answer.rejected
    assert (end.kind, end.items, end.rejected) == (answer.kind, len(answer.found), len(answer.rejected))
