"""The words a customer is found by: without case and accents, so that `gomez` finds Gómez on every database."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

TERM = re.compile(r"[^\W_]+")
PUNCTUATION = {sign: " " for sign in range(128) if not chr(sign).isalnum()}
NO_DIGITS = re.compile("[^0-9]+")
ACCENTS = re.compile("[\u0300-\u036f]+")
MAX_TERM_LENGTH = 64
MAX_INDEX_TERMS = 64
MAX_QUERY_TERMS = 8
MAX_SORT_LENGTH = 100
COUNTRY_CODE = 3
"""Digits that a telephone's country code may have: people type the number without it."""

SORT_LAST = "\U0010ffff"
"""Sorts after every name."""


def fold_accents(text: str) -> str:
    """`Gómez` → `gomez`."""
    if text.isascii():  # most are, and then there is nothing to take apart
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    latin = ACCENTS.sub("", decomposed)
    if latin.isascii():
        return latin.lower()
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def sort_name(name: str | None) -> str:
    """By what a customer is sorted, cut to what fits into PostgreSQL's index beside the longest document_id."""
    return (fold_accents(name).strip()[:MAX_SORT_LENGTH] or SORT_LAST) if name else SORT_LAST


def index_terms(document_id: str, facts: Mapping[Any, Any]) -> str:
    """Every word of a customer's facts, each after a blank: ` ana gomez 12322323`.

    Numbers with signs in between stand also in one piece, a telephone's without its country code as well.
    """
    said = fold_accents(f"{facts.get('name') or ''} {facts.get('phone') or ''} {document_id}")
    email, phone = fold_accents(facts.get("email") or ""), _digits(facts.get("phone") or "")
    without_country = [phone[skipped:] for skipped in range(COUNTRY_CODE + 1)]
    words = [*_split_terms(said), _digits(document_id), *without_country, *_split_terms(email)]
    if max(len(said), len(email)) > MAX_TERM_LENGTH:
        words = [word[:MAX_TERM_LENGTH] for word in words]
    distinct = list(filter(None, dict.fromkeys(words)))
    return " ".join(["", *distinct[:MAX_INDEX_TERMS]])


def parse_query(q: str) -> list[list[str]]:
    """What to look for: one of these alternatives, of which all words must be the beginning of one of hers."""
    words = [word[:MAX_TERM_LENGTH] for word in _split_terms(fold_accents(q))][:MAX_QUERY_TERMS]
    if not words:
        return []
    in_one_piece = "".join(words)[:MAX_TERM_LENGTH]
    # 300 123 4567 is also 3001234567, and 1232-2323 is 12322323
    return [words, [in_one_piece]] if len(words) > 1 and in_one_piece.isdigit() else [words]


def _split_terms(plain: str) -> list[str]:
    return plain.translate(PUNCTUATION).split() if plain.isascii() else TERM.findall(plain)


def _digits(text: str) -> str:
    return NO_DIGITS.sub("", text) if text.isascii() else "".join(filter(str.isdigit, fold_accents(text)))
