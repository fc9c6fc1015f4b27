"""The keyless extractor: real facts from the real text, by rules, in reading order.

It takes the place of a model where no key is set, and answers in the model's terms: objects in the shape of
`Finding`. The same text gives the same findings.
"""

from collections.abc import Iterator
from typing import Any

from documents.rules import (
    Hit,
    PartyFinder,
    find_amounts,
    find_dates,
    find_obligations,
    find_risks,
    find_terms,
    only_currency,
    passages,
    split_pages,
    writes_day_first,
)


def extract(text: str) -> Iterator[dict[str, Any]]:
    """Findings of a text whose pages are marked by lines `[page N]`, as plain JSON objects."""
    day_first = writes_day_first(text)
    parties = PartyFinder()
    for number, page in split_pages(text):
        hits = [*_page_hits(number, page, day_first=day_first, parties=parties)]
        # Stable: at one place in the text the order of the rules decides.
        for hit in sorted(hits, key=lambda hit: hit.start):
            yield hit.finding


def _page_hits(number: int, text: str, *, day_first: bool | None, parties: PartyFinder) -> Iterator[Hit]:
    currency = only_currency(text)
    yield from parties.in_page(number, text)
    for passage in passages(number, text):
        yield from parties.in_passage(passage)
        yield from find_terms(passage)
        yield from find_dates(passage, day_first=day_first)
        yield from find_amounts(passage, page_currency=currency)
        yield from find_obligations(passage)
        yield from find_risks(passage)
