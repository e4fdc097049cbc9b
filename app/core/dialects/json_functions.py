"""SQL functions on JSON, of a column or of one parameter: its entries and elements as rows, and changes of arrays."""

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import JSON, ColumnElement, FromClause, Integer, Text, bindparam, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.core.dialects.types import BytewiseString, Json, SqlCondition


class _JsonEntries(FunctionElement[Any]):
    """The entries of a JSON object: rows of (key, value, ordinality)."""

    name = "json_each"
    inherit_cache = True


class _JsonElements(FunctionElement[Any]):
    """The elements of a JSON array: rows of (value)."""

    name = "json_each"
    inherit_cache = True


class _JsonStrings(FunctionElement[Any]):
    """The elements of a JSON array of strings: rows of (value, ordinality), the value as text."""

    name = "json_each"
    inherit_cache = True


@compiles(_JsonEntries, "postgresql")
def _(element: _JsonEntries, compiler: Any, **kw: Any) -> str:
    return f"jsonb_each({compiler.process(element.clauses, **kw)}) WITH ORDINALITY"


@compiles(_JsonElements, "postgresql")
def _(element: _JsonElements, compiler: Any, **kw: Any) -> str:
    return f"jsonb_array_elements({compiler.process(element.clauses, **kw)})"


@compiles(_JsonStrings, "postgresql")
def _(element: _JsonStrings, compiler: Any, **kw: Any) -> str:
    return f"jsonb_array_elements_text({compiler.process(element.clauses, **kw)}) WITH ORDINALITY"


@compiles(_JsonElements)
def _(element: FunctionElement[Any], compiler: Any, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(_JsonEntries)
@compiles(_JsonStrings)
def _(element: FunctionElement[Any], compiler: Any, **kw: Any) -> str:
    rows = f"json_each({compiler.process(element.clauses, **kw)})"
    return f"(SELECT key, value, rowid + 1 AS ordinality FROM {rows})"  # noqa: S608 - compiled


def json_entries(value: ColumnElement[Any]) -> FromClause:
    """Return a JSON object, sent as ONE parameter, as a table of (key, value, ordinality)."""
    columns = (column("key", BytewiseString), column("value", Json), column("ordinality", Integer))
    return _JsonEntries(value).table_valued(*columns, name="entry")


def json_elements(value: ColumnElement[Any] | list[Any]) -> FromClause:
    """Return a JSON array, of a column or sent as one parameter, as a table of (value)."""
    return _JsonElements(_array(value)).table_valued(column("value", Json), name="element")


def json_strings(value: ColumnElement[Any] | list[str]) -> FromClause:
    """Return a JSON array of strings, sent as one parameter, as a table of (value, ordinality)."""
    columns = (column("value", BytewiseString), column("ordinality", Integer))
    return _JsonStrings(_array(value)).table_valued(*columns, name="string")


def _array(value: ColumnElement[Any] | list[Any]) -> ColumnElement[Any]:
    return json_value(value) if isinstance(value, list) else value


def json_value(value: Any) -> ColumnElement[Any]:
    return bindparam(None, value, type_=Json, unique=True)


def json_null() -> ColumnElement[Any]:
    """The JSON value null, which is not SQL's NULL."""
    return bindparam(None, JSON.NULL, type_=Json, unique=True)


class _ContainsSegment(SqlCondition):
    name = "holds"
    inherit_cache = True


@compiles(_ContainsSegment, "postgresql")
def _(element: _ContainsSegment, compiler: Any, **kw: Any) -> str:
    segments, pair, _text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{segments} @> {pair}"


class _ContainsSegmentUnindexed(_ContainsSegment):
    inherit_cache = True


@compiles(_ContainsSegmentUnindexed, "postgresql")
def _(element: _ContainsSegmentUnindexed, compiler: Any, **kw: Any) -> str:
    segments, pair, _text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"coalesce({segments}, '[]') @> {pair}"


@compiles(_ContainsSegment)
def _(element: _ContainsSegment, compiler: Any, **kw: Any) -> str:
    segments, _pair, text = element.clauses
    return f"instr({compiler.process(segments, **kw)}, {compiler.process(text, **kw)}) > 0"


def contains_segment(
    segments: ColumnElement[Any], pair: tuple[str, str], *, indexed: bool = True
) -> ColumnElement[bool]:
    """Return the condition that a column of segments contains this (type, value).

    PostgreSQL answers from the GIN index, unless it is only to look at the rows that another condition finds. SQLite
    looks for the pair's compact text: quotes inside a value are escaped, so the text of a pair cannot occur within one.
    """
    segment = _segment(pair)
    condition = _ContainsSegment if indexed else _ContainsSegmentUnindexed
    text = bindparam(None, orjson.dumps(segment).decode(), type_=Text, unique=True)
    return condition(segments, json_value([segment]), text)


def _segment(pair: tuple[str, str]) -> dict[str, str]:
    type_, value = pair
    return {"type": type_, "value": value}


class _JsonText(FunctionElement[str]):
    type = Text()
    name = "json_text"
    inherit_cache = True


@compiles(_JsonText, "postgresql")
def _(element: _JsonText, compiler: Any, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS TEXT)"


@compiles(_JsonText)
def _(element: _JsonText, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class _JsonLength(FunctionElement[int]):
    type = Integer()
    name = "json_array_length"
    inherit_cache = True


@compiles(_JsonLength, "postgresql")
def _(element: _JsonLength, compiler: Any, **kw: Any) -> str:
    return f"jsonb_array_length({compiler.process(element.clauses, **kw)})"


@compiles(_JsonLength)
def _(element: _JsonLength, compiler: Any, **kw: Any) -> str:
    return f"json_array_length({compiler.process(element.clauses, **kw)})"


def json_length(value: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the number of elements of a JSON array."""
    return _JsonLength(value)


def json_text(value: ColumnElement[Any]) -> ColumnElement[str]:
    """JSON as its text, to group by: equal texts are equal JSON."""
    return _JsonText(value)


# Each of these sorts the elements once, with their equals beside them. Looking for every element among the others would
# be quadratic: at 4,000 segments 50 s instead of 0.3 s.

_PATCHED = """SELECT s.value, s.part, s.n FROM (
        SELECT u.value, u.part, u.n,
               max(CASE WHEN u.part = 2 THEN 1 ELSE 0 END) OVER (PARTITION BY u.value) AS is_removed,
               max(CASE WHEN u.part = 0 THEN 1 ELSE 0 END) OVER (PARTITION BY u.value) AS is_present
          FROM ({elements}) AS u
    ) AS s
    WHERE (s.part = 0 AND s.is_removed = 0) OR (s.part = 1 AND (s.is_removed = 1 OR s.is_present = 0))"""

_RENAMED = """SELECT u.value, u.n FROM (
        SELECT coalesce(m.renamed, e.value) AS value, e.n, e.value AS original, first_value(e.value) OVER (
                   PARTITION BY coalesce(m.renamed, e.value) ORDER BY m.renamed IS NOT NULL, e.n
               ) AS origin
          FROM ({segments}) AS e LEFT JOIN ({names}) AS m ON m.original = e.value
    ) AS u
    WHERE u.original = u.origin"""


class _PatchSegments(FunctionElement[Any]):
    name = "patched"
    inherit_cache = True


class _RenameSegments(FunctionElement[Any]):
    name = "renamed"
    inherit_cache = True


@compiles(_PatchSegments, "postgresql")
def _(element: _PatchSegments, compiler: Any, **kw: Any) -> str:
    arrays = (compiler.process(clause, **kw) for clause in element.clauses)
    rows = ", ".join(f"({part}, {array})" for part, array in enumerate(arrays))  # UNION is refused by Citus here
    elements = f"SELECT e.value, a.part, e.n FROM (VALUES {rows}) AS a (part, elements), {_numbered('a.elements')}"  # noqa: S608
    return _array_of(
        f"SELECT jsonb_agg(p.value ORDER BY p.part, p.n) FROM ({_PATCHED.format(elements=elements)}) AS p"  # noqa: S608
    )


@compiles(_PatchSegments)
def _(element: _PatchSegments, compiler: Any, **kw: Any) -> str:
    arrays = (compiler.process(clause, **kw) for clause in element.clauses)
    elements = (
        f"SELECT value, {part} AS part, key AS n FROM json_each({array})"  # noqa: S608
        for part, array in enumerate(arrays)
    )
    patched = _PATCHED.format(elements=" UNION ALL ".join(elements))
    return f"(SELECT json_group_array(json(p.value)) FROM ({patched} ORDER BY s.part, s.n) AS p)"  # noqa: S608


@compiles(_RenameSegments, "postgresql")
def _(element: _RenameSegments, compiler: Any, **kw: Any) -> str:
    segments, names = (compiler.process(clause, **kw) for clause in element.clauses)
    renamed = _RENAMED.format(
        segments=f"SELECT e.value, e.n FROM {_numbered(segments)}",  # noqa: S608
        names=f"SELECT p.pair -> 0 AS original, p.pair -> 1 AS renamed FROM jsonb_array_elements({names}) AS p (pair)",  # noqa: S608
    )
    return _array_of(f"SELECT jsonb_agg(r.value ORDER BY r.n) FROM ({renamed}) AS r")  # noqa: S608


@compiles(_RenameSegments)
def _(element: _RenameSegments, compiler: Any, **kw: Any) -> str:
    segments, names = (compiler.process(clause, **kw) for clause in element.clauses)
    pair = "json_extract(value, '$[0]') AS original, json_extract(value, '$[1]') AS renamed"
    renamed = _RENAMED.format(
        segments=f"SELECT value, key AS n FROM json_each({segments})",  # noqa: S608
        names=f"SELECT {pair} FROM json_each({names})",  # noqa: S608
    )
    return f"(SELECT json_group_array(json(r.value)) FROM ({renamed} ORDER BY u.n) AS r)"  # noqa: S608


def _array_of(query: str) -> str:
    """Return the array that a query aggregates, [] if that is NULL: any other array is greater.

    Not coalesce, which Citus refuses around functions that are not immutable.
    """
    return f"greatest(({query}), '[]'::jsonb)"


def _numbered(array: str) -> str:
    return f"jsonb_array_elements({array}) WITH ORDINALITY AS e (value, n)"


def patch_segments(
    segments: ColumnElement[Any], *, add: ColumnElement[Any], remove: ColumnElement[Any]
) -> ColumnElement[Any]:
    """Return a JSON array without the elements to remove, followed by the elements to add that are not in the rest."""
    return _PatchSegments(segments, add, remove)


def rename_segments(
    segments: ColumnElement[Any], names: Iterable[tuple[tuple[str, str], tuple[str, str]]]
) -> ColumnElement[Any]:
    """Return a JSON array of segments in which the second of each two `names` stands in place of the first.

    Where it is present already, or stands in place of another one, the first is removed.
    """
    return _RenameSegments(segments, json_value([[_segment(old), _segment(new)] for old, new in names]))
