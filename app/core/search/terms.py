"""The words a customer is found by: without case and accents, so that `gomez` finds Gómez on every database."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

WORD = re.compile(r"[^\W_]+")
SIGNS = {sign: " " for sign in range(128) if not chr(sign).isalnum()}
NO_DIGITS = re.compile("[^0-9]+")
ACCENTS = re.compile("[\u0300-\u036f]+")
LONGEST_WORD = 64
MOST_WORDS = 64
MOST_ASKED = 8
LONGEST_SORTED = 100
COUNTRY_CODE = 3
"""Digits that a telephone's country code may have: people type the number without it."""

NAMELESS = "\U0010ffff"
"""Sorts after every name."""


def folded(text: str) -> str:
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
    return (folded(name).strip()[:LONGEST_SORTED] or NAMELESS) if name else NAMELESS


def words_of(document_id: str, facts: Mapping[Any, Any]) -> str:
    """Every word of a customer's facts, each after a blank: ` ana gomez 12322323`.

    Numbers with signs in between stand also in one piece, a telephone's without its country code as well.
    """
    said = folded(f"{facts.get('name') or ''} {facts.get('phone') or ''} {document_id}")
    email, phone = folded(facts.get("email") or ""), _digits(facts.get("phone") or "")
    without_country = [phone[skipped:] for skipped in range(COUNTRY_CODE + 1)]
    words = [*_words(said), _digits(document_id), *without_country, *_words(email)]
    if max(len(said), len(email)) > LONGEST_WORD:
        words = [word[:LONGEST_WORD] for word in words]
    distinct = list(filter(None, dict.fromkeys(words)))
    return " ".join(["", *distinct[:MOST_WORDS]])


def words_asked(q: str) -> list[list[str]]:
    """What to look for: one of these alternatives, of which all words must be the beginning of one of hers."""
    words = [word[:LONGEST_WORD] for word in _words(folded(q))][:MOST_ASKED]
    if not words:
        return []
    in_one_piece = "".join(words)[:LONGEST_WORD]
    # 300 123 4567 is also 3001234567, and 1232-2323 is 12322323
    return [words, [in_one_piece]] if len(words) > 1 and in_one_piece.isdigit() else [words]


def _words(plain: str) -> list[str]:
    return plain.translate(SIGNS).split() if plain.isascii() else WORD.findall(plain)


def _digits(text: str) -> str:
    return NO_DIGITS.sub("", text) if text.isascii() else "".join(filter(str.isdigit, folded(text)))
