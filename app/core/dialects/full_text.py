"""Words, and those who have words beginning like them."""

from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam
from sqlalchemy.ext.compiler import compiles

from app.core.dialects.types import Condition

TermQuery = list[list[str]]
"""Of one of the alternatives, every word must be the beginning of one of hers."""


class _MatchesTerms(Condition):
    name = "has_words"
    inherit_cache = True


class _FoundInIndex(Condition):
    name = "found_by_words"
    inherit_cache = True


def matches_terms(words: ColumnElement[Any], asked: TermQuery) -> ColumnElement[bool]:
    """Whether this row has the words: to be asked of few rows."""
    alternatives = [bindparam(None, " " + word, type_=Text, unique=True) for word in asked[0]]
    in_one_piece = bindparam(None, " " + asked[-1][0], type_=Text, unique=True)
    return _MatchesTerms(words, _tsquery(asked), in_one_piece, *alternatives)


def found_in_index(table: Any, asked: TermQuery) -> ColumnElement[bool]:
    """The same, answered by the full-text index: to be asked of all rows at once."""
    fts = " OR ".join("(" + " AND ".join(f'"{word}"*' for word in words) + ")" for words in asked)
    return _FoundInIndex(table.c.terms, table.c.id, _tsquery(asked), bindparam(None, fts, type_=Text, unique=True))


def _tsquery(asked: TermQuery) -> ColumnElement[str]:
    text = " | ".join("(" + " & ".join(f"'{word}':*" for word in words) + ")" for words in asked)
    return bindparam(None, text, type_=Text, unique=True)


@compiles(_MatchesTerms, "postgresql")
def _(element: _MatchesTerms, compiler: Any, **kw: Any) -> str:
    words, query, *_ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{words} @@ CAST({query} AS tsquery)"


@compiles(_MatchesTerms)
def _(element: _MatchesTerms, compiler: Any, **kw: Any) -> str:
    words, _query, in_one_piece, *each = list(element.clauses)
    column = compiler.process(words, **kw)
    every = " AND ".join(f"instr({column}, {compiler.process(word, **kw)}) > 0" for word in each)
    return f"(instr({column}, {compiler.process(in_one_piece, **kw)}) > 0 OR ({every}))"


@compiles(_FoundInIndex, "postgresql")
def _(element: _FoundInIndex, compiler: Any, **kw: Any) -> str:
    words, _id, query, _fts = list(element.clauses)
    return f"{compiler.process(words, **kw)} @@ CAST({compiler.process(query, **kw)} AS tsquery)"


@compiles(_FoundInIndex)
def _(element: _FoundInIndex, compiler: Any, **kw: Any) -> str:
    _words, id_, _query, fts = list(element.clauses)
    asked = compiler.process(fts, **kw)
    matching = f"SELECT rowid FROM customer_terms WHERE customer_terms MATCH {asked}"  # noqa: S608 - compiled
    return f"{compiler.process(id_, **kw)} IN ({matching})"
