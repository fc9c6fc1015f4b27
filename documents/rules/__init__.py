"""The keyless extractor's rules: patterns and the words around them, for documents in English.

Each module reads a passage and yields `Hit`s; none of them guesses beyond what is written.
"""

from documents.rules.amounts import find_amounts
from documents.rules.dates import find_dates, writes_day_first
from documents.rules.duties import find_obligations
from documents.rules.money import only_currency
from documents.rules.parties import PartyFinder
from documents.rules.passages import Hit, Passage, passages, split_pages
from documents.rules.risks import find_risks
from documents.rules.terms import find_terms

__all__ = [
    "Hit",
    "PartyFinder",
    "Passage",
    "find_amounts",
    "find_dates",
    "find_obligations",
    "find_risks",
    "find_terms",
    "only_currency",
    "passages",
    "split_pages",
    "writes_day_first",
]
