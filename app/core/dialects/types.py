"""Column types."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ColumnElement, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

Json = JSON().with_variant(JSONB(), "postgresql")
"""JSONB on PostgreSQL; on SQLite compact JSON text, always of the same serializer, so that equal JSON is equal text."""

BytewiseString = String().with_variant(String(collation="C"), "postgresql")
"""Compared and ordered by bytes on both databases, whatever the server's locale is."""

Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""


class SqlCondition(FunctionElement[bool]):
    """A condition of a WHERE, rendered as it is: SQLAlchemy's `… = 1` for SQLite would hide it from every index."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        return self


class _IsTrue(SqlCondition):
    name = "is_true"
    inherit_cache = True


class _IsFalse(SqlCondition):
    name = "is_false"
    inherit_cache = True


def is_true(column: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition of a partial index on a boolean column, written as the index has it."""
    return _IsTrue(column)


def is_false(column: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the opposite of `is_true`."""
    return _IsFalse(column)


@compiles(_IsTrue)
def _(element: _IsTrue, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(_IsFalse)
def _(element: _IsFalse, compiler: Any, **kw: Any) -> str:
    return f"NOT {compiler.process(element.clauses, **kw)}"
