"""Searching for parts of a text: an index of trigrams narrows, the comparison of the whole text decides.

PostgreSQL answers `LIKE '%part%'` from a GIN index of trigrams where the server has the extension pg_trgm, and by
reading all rows otherwise. SQLite's FTS5 index of trigrams names candidates, whose text is then compared. In parts
of fewer than three characters there is no trigram: both databases read all rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, bindparam
from sqlalchemy.ext.compiler import compiles

from app.core.dialects.types import SqlCondition

TRIGRAM = 3


class _ContainsText(SqlCondition):
    name = "contains_text"
    inherit_cache = True


class _ContainsTextByIndex(SqlCondition):
    name = "contains_text_by_index"
    inherit_cache = True


class _NarrowedByIndex(SqlCondition):
    name = "narrowed_by_index"
    inherit_cache = True


class _IsNotAscii(SqlCondition):
    name = "is_not_ascii"
    inherit_cache = True


def is_not_ascii(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a text has other characters than printable ASCII."""
    return _IsNotAscii(column)


def contains_text(column: ColumnElement[Any], part: str, *, index_part: str | None = None) -> ColumnElement[bool]:
    """Return the condition that a text column contains `part`.

    `index_part`, all of `part` or some of it, is what the index of the terms of all customers looks for; without it, no
    index is considered.
    """
    contains = _ContainsText(column, _text(part))
    if index_part is None or len(index_part) < TRIGRAM:
        return contains
    pattern = index_part.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    by_index = _ContainsTextByIndex(column, _text(index_part), _text(f"%{pattern}%"))
    return by_index if index_part == part else and_(by_index, contains)


def narrowed_by_index(table: Any, groups: Iterable[Sequence[Sequence[str]]]) -> ColumnElement[bool] | None:
    """Return a condition that narrows the rows of customer_search before their terms are compared.

    In each group, all parts of one of its alternatives must occur. None if no group can be narrowed by trigrams.
    PostgreSQL narrows by `contains_text` itself.
    """
    expressions = []
    for group in groups:
        alternatives = [_trigrams(parts) for parts in group]
        if all(alternatives):
            expressions.append("(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")")
    return _NarrowedByIndex(table.c.id, _text(" AND ".join(expressions))) if expressions else None


def _trigrams(parts: Sequence[str]) -> str:
    trigrams = dict.fromkeys(part[n : n + TRIGRAM] for part in parts for n in range(len(part) - TRIGRAM + 1))
    return " AND ".join(f'"{trigram}"' for trigram in trigrams)


def _text(value: str) -> ColumnElement[str]:
    return bindparam(None, value, type_=Text, unique=True)


@compiles(_ContainsText, "postgresql")
def _(element: _ContainsText, compiler: Any, **kw: Any) -> str:
    column, part = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"strpos({column}, {part}) > 0"


@compiles(_ContainsTextByIndex, "postgresql")
def _(element: _ContainsTextByIndex, compiler: Any, **kw: Any) -> str:
    column, _part, pattern = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} LIKE {pattern}"


@compiles(_ContainsText)
@compiles(_ContainsTextByIndex)
def _(element: SqlCondition, compiler: Any, **kw: Any) -> str:
    column, part, *_pattern = list(element.clauses)
    return f"instr({compiler.process(column, **kw)}, {compiler.process(part, **kw)}) > 0"


@compiles(_NarrowedByIndex, "postgresql")
def _(_element: _NarrowedByIndex, _compiler: Any, **_kw: Any) -> str:
    return "TRUE"


@compiles(_NarrowedByIndex)
def _(element: _NarrowedByIndex, compiler: Any, **kw: Any) -> str:
    id_, expression = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{id_} IN (SELECT rowid FROM customer_terms WHERE customer_terms MATCH {expression})"  # noqa: S608


@compiles(_IsNotAscii, "postgresql")
def _(element: _IsNotAscii, compiler: Any, **kw: Any) -> str:
    return f"{compiler.process(element.clauses, **kw)} ~ '[^ -~]'"


@compiles(_IsNotAscii)
def _(element: _IsNotAscii, compiler: Any, **kw: Any) -> str:
    return f"{compiler.process(element.clauses, **kw)} GLOB '*[^ -~]*'"
