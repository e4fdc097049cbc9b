"""Customers, the record of their changes, and counts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.migrations.first_schema.types import BytewiseString, Id, Json, UtcDateTime

# SQLite's index of trigrams is a table beside `customer_search`, maintained by triggers. It names candidates, whose
# terms are compared then: it needs no positions (detail) and no sizes, a third of what it would weigh.
FULL_TEXT_INDEX = (
    """CREATE VIRTUAL TABLE customer_terms USING fts5(
        terms, content='customer_search', content_rowid='id', tokenize='trigram case_sensitive 1',
        detail='none', columnsize=0)""",
    """CREATE TRIGGER customer_terms_insert AFTER INSERT ON customer_search BEGIN
        INSERT INTO customer_terms(rowid, terms) VALUES (new.id, new.terms);
    END""",
    """CREATE TRIGGER customer_terms_delete AFTER DELETE ON customer_search BEGIN
        INSERT INTO customer_terms(customer_terms, rowid, terms) VALUES ('delete', old.id, old.terms);
    END""",
    """CREATE TRIGGER customer_terms_update AFTER UPDATE OF terms ON customer_search BEGIN
        INSERT INTO customer_terms(customer_terms, rowid, terms) VALUES ('delete', old.id, old.terms);
        INSERT INTO customer_terms(rowid, terms) VALUES (new.id, new.terms);
    END""",
)

# PostgreSQL's index of trigrams needs an extension, which comes with the server but may be missing or not allowed:
# then a search finds the same, slower.
TRIGRAM_INDEX = """
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX ix_customer_search_terms ON customer_search USING gin (terms gin_trgm_ops);
EXCEPTION WHEN undefined_file OR feature_not_supported OR insufficient_privilege OR undefined_object THEN
    RAISE NOTICE 'without pg_trgm, searches for customers read all rows: %', SQLERRM;
END $$
"""


def create_customers(on_postgresql: bool) -> None:
    key: tuple[sa.Column[Any], ...]
    if on_postgresql:
        key = (
            sa.Column("document_id", BytewiseString, primary_key=True),
            sa.Column("id", Id, nullable=False, server_default=sa.text("nextval('customers_id_seq')")),
        )
    else:
        key = (
            sa.Column("id", Id, primary_key=True),
            sa.Column("document_id", BytewiseString, nullable=False, unique=True),
        )
    op.create_table(
        "customers",
        *key,
        sa.Column("name", sa.String),
        sa.Column("email", sa.String),
        sa.Column("phone", sa.String),
        sa.Column("segments", Json, nullable=False),
        sa.Column("part_id", Id),
        sa.Column("entry_number", sa.Integer),
        sa.Column("previous_segments", Json),
        sa.Column("previous_part_id", Id),
        sa.Column("previous_entry_number", sa.Integer),
        sqlite_autoincrement=True,
    )
    if on_postgresql:
        op.create_index(
            "ix_customers_segments",
            "customers",
            ["segments"],
            postgresql_using="gin",
            postgresql_ops={"segments": "jsonb_path_ops"},
        )
    op.create_index(
        "ix_customers_without_segments",
        "customers",
        ["document_id"],
        postgresql_where=sa.text("segments = '[]'"),
        sqlite_where=sa.text("segments = '[]'"),
    )
    op.create_table(
        "customer_search",
        sa.Column("id", Id, primary_key=True, autoincrement=False),
        sa.Column("document_id", BytewiseString, nullable=False, unique=True),
        sa.Column("email", BytewiseString),
        sa.Column("name", BytewiseString),
        sa.Column("terms", BytewiseString),
        sa.Column("part_id", Id),
        sa.Column("entry_number", sa.Integer),
        sa.ForeignKeyConstraint(["document_id"], ["customers.document_id"], onupdate="CASCADE", ondelete="CASCADE"),
    )
    op.create_index("ix_customer_search_email", "customer_search", ["email"])
    op.create_index("ix_customer_search_name", "customer_search", ["name", "document_id"])
    if on_postgresql:
        op.execute(TRIGRAM_INDEX)
    else:
        for statement in FULL_TEXT_INDEX:
            op.execute(statement)


def create_changes() -> None:
    op.create_table(
        "change_sets",
        sa.Column("id", Id, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("position", Id, unique=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("note", sa.String),
        sa.Column("reverts", Id),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sa.Column("created", sa.Integer, nullable=False),
        sa.Column("updated", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_change_sets_actor", "change_sets", ["actor", "id"])
    op.create_index("ix_change_sets_at", "change_sets", ["at"])
    op.create_index("ix_change_sets_reverts", "change_sets", ["reverts"])
    op.create_table(
        "change_set_parts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("change_set_id", Id, nullable=False),
        sa.Column("position", Id, nullable=False, unique=True),
        sa.Column("tag", Id, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("deletions", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_change_set_parts_with_deletions",
        "change_set_parts",
        ["at"],
        postgresql_where=sa.text("deletions > 0"),
        sqlite_where=sa.text("deletions > 0"),
    )
    op.create_index("ix_change_set_parts_at", "change_set_parts", ["at"])
    op.create_index("ix_change_set_parts_change_set_id", "change_set_parts", ["change_set_id"])
    op.create_table(
        "customer_changes",
        sa.Column("part_id", Id, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("document_id", BytewiseString, nullable=False),
        sa.Column("before", Json),
        sa.Column("after", Json),
        sa.Column("previous_part_id", Id),
        sa.Column("previous_number", sa.Integer),
    )
    op.create_table(
        "retention_horizon",
        sa.Column("id", Id, primary_key=True),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.Column("position", Id, nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.Column("tag", Id, nullable=False),
    )


def create_counts() -> None:
    op.create_table(
        "customer_totals",
        sa.Column("id", Id, primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("customers", Id, nullable=False),
        sa.Column("with_segments", Id, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "segment_counts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("part_id", Id),
        sa.Column("type", BytewiseString, nullable=False),
        sa.Column("value", BytewiseString, nullable=False),
        sa.Column("delta", Id, nullable=False),
        sa.Column("compacted", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    for name, columns, where in (
        ("recent", ["id"], sa.text("NOT compacted")),
        ("compacted", ["type", "value", "day"], sa.text("compacted")),
        ("day", ["day"], sa.text("compacted")),
    ):
        op.create_index(
            f"ix_segment_counts_{name}", "segment_counts", columns, postgresql_where=where, sqlite_where=where
        )
    op.create_table(
        "segment_totals",
        sa.Column("type", BytewiseString, primary_key=True),
        sa.Column("value", BytewiseString, primary_key=True),
        sa.Column("customers", Id, nullable=False),
    )
    op.create_table(
        "segment_deltas",
        sa.Column("type", BytewiseString, primary_key=True),
        sa.Column("value", BytewiseString, primary_key=True),
        sa.Column("part_id", Id, primary_key=True, autoincrement=False),
        sa.Column("delta", Id, nullable=False),
        sa.Column("magnitude", Id, nullable=False),
    )
    op.create_index("ix_segment_deltas_largest", "segment_deltas", ["part_id", "magnitude"])
