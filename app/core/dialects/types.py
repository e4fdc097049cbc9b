"""Column types."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Integer, String
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.sql.functions import FunctionElement

Json = JSON().with_variant(JSONB(), "postgresql")
"""JSONB on PostgreSQL; on SQLite compact JSON text, always by the same serializer, so that equal means equal."""

BytewiseString = String().with_variant(String(collation="C"), "postgresql")
"""Compared and ordered by bytes on both: what is equal, and what comes next, must not depend on a server's locale."""

Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""

SearchVector = String().with_variant(TSVECTOR(), "postgresql")
"""Terms, each after a space; `app.core.search.terms` makes them and the queries, so no term needs quoting."""


class Condition(FunctionElement[bool]):
    """What a WHERE may ask. Rendered as it is: SQLAlchemy's `… = 1` for SQLite would hide it from every index."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        return self
