"""Column types."""

from sqlalchemy import JSON, BigInteger, Integer, String
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

Json = JSON().with_variant(JSONB(), "postgresql")
"""JSONB on PostgreSQL; on SQLite compact JSON text, always by the same serializer, so that equal means equal."""

Exact = String().with_variant(String(collation="C"), "postgresql")
"""Compared and ordered by bytes on both: what is equal, and what comes next, must not depend on a server's locale."""

Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""

Words = String().with_variant(TSVECTOR(), "postgresql")
"""Words, each after a blank; written and asked through `app.core.words`, whose words need no quoting anywhere."""
