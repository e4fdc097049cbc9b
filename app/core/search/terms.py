"""The terms a customer is found by, and what a query asks of them: one predicate, for both databases.

A query is split at blanks, and every word must be *part of* a term of the customer. Before they are compared, both lose
case, accents, invisible characters and punctuation: `gomez` is part of `Gómez`, and `V-12.345.678` equals `V12345678`.
The id and the e-mail are one term each; a name has a term for each of its words; a phone is its digits.

Words of digits that follow one another may also be one phone number (`300 123 4567`), with or without the country
prefix, `00` or a trunk `0` that the stored number has or has not.

`Query.matches` is the predicate. The databases evaluate the same on `customer_search.terms`, the text of all terms,
where it is a search for substrings (`app.core.dialects.full_text`): an index narrows, the comparison decides.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from app.core.models.customers import PROFILE_FIELDS

MAX_SORT_LENGTH = 100
SORT_LAST = "\U0010ffff"
"""Sorts after every name."""

MIN_PHONE_DIGITS = 6
"""Fewer digits are compared as they are: most phone numbers contain them somewhere."""
MIN_PREFIXED_DIGITS, MIN_REST_DIGITS = 5, 3
"""The same after `+` or `00`, and of them without the country prefix."""
MAX_PREFIX_DIGITS = 4
"""Digits that a country prefix and a trunk 0 have at most."""

MIN_LOCAL_PART, INDEXED_DOMAIN_LENGTH = 3, 2
"""Of an e-mail with such a local part, an index looks for so much of the domain. The trigrams of a domain that many
share stand for as many customers: of 1,000,000, all of them cost 108 ms where these cost 22."""

ACCENTS = re.compile("[\u0300-\u036f]+")
NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
NO_DIGITS = re.compile("[^0-9]+")
PHONE_WORD = re.compile(r"[0-9+()./-]*[0-9][0-9+()./-]*")
TRUNK_IN_BRACKETS = re.compile(r"\(0\)")
ASCII_TERM = {n: chr(n).lower() if chr(n).isalnum() else None for n in range(128)}
ASCII_DIGITS = {n: chr(n) if chr(n).isdecimal() else None for n in range(128)}
"""For `translate`, which takes a fifth of the time of a regular expression."""
LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ð": "d", "þ": "th"})
"""Letters that Unicode does not take apart into a base letter and an accent."""


def fold_accents(text: str) -> str:
    """Return `text` without case, accents and invisible characters, with ASCII digits: `Gómez` → `gomez`."""
    if text.isascii():
        return text.lower()
    latin = ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    if latin.isascii():
        return latin.lower()
    latin = latin.translate(LETTERS)
    if latin.isascii():
        return latin.lower()
    folded = unicodedata.normalize("NFC", "".join(map(_visible, latin))).casefold()
    return folded.translate(LETTERS)


def _visible(character: str) -> str:
    """Return the character, its ASCII digit if it is one of another script, or nothing for accents and formats."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return "" if unicodedata.category(character) in ("Mn", "Cf") else character


def sort_name(name: str | None) -> str:
    """Return what a customer is sorted by, cut to fit PostgreSQL's index beside the longest document_id."""
    return (fold_accents(name).strip()[:MAX_SORT_LENGTH] or SORT_LAST) if name else SORT_LAST


def index_terms(document_id: str, profile: Mapping[Any, Any]) -> str:
    """Return all terms of a customer as one text, each between blanks: ` 12322323 ana gomez #3001234567# `.

    A phone stands twice: with its digits, and between `#` from where a national number may begin.
    """
    return " ".join(("", *dict.fromkeys(_terms(document_id, profile)), ""))


def _terms(document_id: str, profile: Mapping[Any, Any]) -> list[str]:
    words, phones = [document_id], []
    for field in PROFILE_FIELDS:
        value = profile.get(field.name)
        if not value or field.search == "none":
            continue
        if field.search == "phone":
            phones.append(value)
        elif field.search == "email":
            words.append(value)
        else:
            words += value.split()
    # Split first, then folded: some characters, such as an acute accent typed for an apostrophe, fold to a blank.
    terms = [term for term in map(_word_term, words) if term]
    return [*terms, *(term for phone in phones for term in _phone_terms(fold_accents(phone)))]


def _word_term(word: str) -> str:
    return word.translate(ASCII_TERM) if word.isascii() else _compact(fold_accents(word))


def _phone_terms(folded: str) -> Iterator[str]:
    compact = _word_term(folded)
    if compact:
        yield compact
    for written in (folded, TRUNK_IN_BRACKETS.sub("", folded)) if "(0)" in folded else (folded,):
        digits = written.translate(ASCII_DIGITS) if written.isascii() else NO_DIGITS.sub("", written)
        if digits and digits != compact:
            yield digits
        national = digits.lstrip("0")
        if len(national) >= MIN_PHONE_DIGITS:
            yield f"#{national}#"


def _compact(folded: str) -> str:
    """Return the letters and digits alone."""
    return folded if folded.isalnum() else NOT_ALPHANUMERIC.sub("", folded)


@dataclass(frozen=True)
class WordGroup:
    """A word of a query, or several of digits in a row: all of `words` occur in the terms, or any of `phones` does."""

    words: tuple[str, ...]
    phones: tuple[str, ...] = ()
    index_length: int | None = None
    """How many characters of a word an index looks for: of an e-mail not all of the domain, which many share."""

    def matches(self, terms: str) -> bool:
        return all(word in terms for word in self.words) or any(phone in terms for phone in self.phones)


@dataclass(frozen=True)
class Query:
    """What a customer must match: every group in the terms, and every symbol in a searched field as it is stored."""

    groups: tuple[WordGroup, ...] = ()
    symbols: tuple[str, ...] = ()
    """Words without any letter or digit, such as `--` or `😀`."""

    def __bool__(self) -> bool:
        return bool(self.groups or self.symbols)

    def matches(self, document_id: str, profile: Mapping[Any, Any]) -> bool:
        """Return whether a customer with this id and profile matches: the predicate that the databases evaluate."""
        terms = index_terms(document_id, profile)
        fields = [document_id, *(profile.get(field.name) or "" for field in PROFILE_FIELDS if field.search != "none")]
        return all(group.matches(terms) for group in self.groups) and all(
            any(symbol in value for value in fields) for symbol in self.symbols
        )


@lru_cache(maxsize=256)
def parse_query(q: str) -> Query:
    """Return the conditions that a search text stands for."""
    symbols: list[str] = []
    groups: list[WordGroup] = []
    for is_phone, words in groupby(_query_words(q), key=lambda word: bool(PHONE_WORD.fullmatch(fold_accents(word)))):
        if is_phone:
            groups.append(_phone_group([fold_accents(word) for word in words]))
            continue
        for word in words:
            compact = _compact(fold_accents(word))
            if compact:
                groups.append(WordGroup((compact,), index_length=_index_length(word)))
            else:
                symbols.append(word)
    return Query(tuple(groups), tuple(symbols))


def _index_length(word: str) -> int | None:
    local, at, _domain = word.partition("@")
    length = len(_compact(fold_accents(local)))
    return length + INDEXED_DOMAIN_LENGTH if at and length >= MIN_LOCAL_PART else None


def _query_words(q: str) -> list[str]:
    """Return the words, without punctuation that stands by itself between others, as in `Ana & Luis`."""
    words = [word for word in q.split() if not all(unicodedata.category(character) == "Cf" for character in word)]
    if len(words) == 1:
        return words
    return [word for word in words if not all(map(_is_punctuation, word))] or words


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] == "P" or (character.isascii() and not character.isalnum())


def _phone_group(folded: list[str]) -> WordGroup:
    words, joined = tuple(filter(None, map(_compact, folded))), "".join(folded)
    digits = NO_DIGITS.sub("", TRUNK_IN_BRACKETS.sub("", joined)).lstrip("0")
    has_prefix = joined.startswith(("+", "00"))
    if len(digits) < (MIN_PREFIXED_DIGITS if has_prefix else MIN_PHONE_DIGITS):
        return WordGroup(words)
    # The stored number may have no country prefix: it is the rest, or, after an explicit prefix, begins with it.
    rests = (digits[n:].lstrip("0") for n in range(1, MAX_PREFIX_DIGITS + 1))
    shortest, end = (MIN_REST_DIGITS, "") if has_prefix else (MIN_PHONE_DIGITS + 1, "#")
    return WordGroup(words, (digits, *dict.fromkeys(f"#{rest}{end}" for rest in rests if len(rest) >= shortest)))
