"""The first schema: customers, the record of their changes, counts, access, jobs and webhooks.

Nothing of the application is imported here: a migration describes the schema of its own time.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BytewiseString = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
UtcDateTime = sa.DateTime(timezone=True)

SEQUENCES = ("customers_id_seq", "part_positions")

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


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if on_postgresql:
        for sequence in SEQUENCES:
            op.execute(sa.schema.CreateSequence(sa.Sequence(sequence)))
    _customers(on_postgresql)
    _changes()
    _counts()
    _access()
    _jobs()
    _webhooks()


def _customers(on_postgresql: bool) -> None:
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


def _changes() -> None:
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


def _counts() -> None:
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
        sa.Column("folded", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    for name, columns, where in (
        ("recent", ["id"], sa.text("NOT folded")),
        ("folded", ["type", "value", "day"], sa.text("folded")),
        ("day", ["day"], sa.text("folded")),
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


def _access() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("revoked_at", UtcDateTime),
        sa.Column("last_used_at", UtcDateTime),
        sa.Column("guard_customers", sa.Integer),
        sa.Column("guard_percent", sa.Integer),
        sa.Column("networks", Json, nullable=False),
        sa.Column("previous_digest", sa.String),
        sa.Column("previous_until", UtcDateTime),
    )
    op.create_index("ix_tokens_previous_digest", "tokens", ["previous_digest"], unique=True)
    op.create_table(
        "idempotency_keys",
        sa.Column("token_id", Id, sa.ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", BytewiseString, primary_key=True),
        sa.Column("request_digest", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("response", sa.String),
        sa.Column("change_set_id", Id),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "token_requests",
        sa.Column("id", Id, primary_key=True),
        sa.Column("token_id", Id, sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("paths", Json, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("used_previous_secret", sa.Boolean, nullable=False),
        sa.Column("sent", sa.Integer),
        sa.Column("changed", sa.Integer),
        sa.Column("unchanged", sa.Integer),
        sa.Column("not_found", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_token_requests_token_id_id", "token_requests", ["token_id", "id"])
    op.create_table(
        "refused_requests",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("token", sa.String, primary_key=True),
        sa.Column("code", sa.String, primary_key=True),
        sa.Column("requests", Id, nullable=False),
    )
    op.create_table(
        "operators",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", sa.String, nullable=False, unique=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("password_hash", sa.String),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("invitation_digest", sa.String, unique=True),
        sa.Column("invited_until", UtcDateTime),
        sa.Column("deactivated_at", UtcDateTime),
    )
    op.create_table(
        "operator_sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("operator_id", Id, sa.ForeignKey("operators.id", ondelete="CASCADE"), nullable=False),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("browser", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_operator_sessions_operator_id", "operator_sessions", ["operator_id"])
    op.create_table(
        "failed_sign_ins",
        sa.Column("email", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("payload", Json, nullable=False),
        sa.Column("preview", Json),
        sa.Column("result", Json),
        sa.Column("error", sa.String),
        sa.Column("phase", sa.String),
        sa.Column("done", Id, nullable=False),
        sa.Column("total", Id),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", UtcDateTime),
        sa.Column("lease", sa.String),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("batches_done", sa.Integer, nullable=False),
        sa.Column("checkpoint", Id),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("change_set_id", Id),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_batches",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("customers", sa.Integer, nullable=False),
        sa.Column("compressed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "skipped_customers",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("document_id", BytewiseString, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "upload_chunks",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("compressed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rejected_rows",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("line", Id, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("raw", Json, nullable=False),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", Id, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("salt", sa.String, nullable=False),
        sa.Column("secret_digest", sa.String, nullable=False),
        sa.Column("previous_salt", sa.String),
        sa.Column("previous_until", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("paused_at", UtcDateTime),
        sa.Column("position", Id, nullable=False),
        sa.Column("lease", sa.String),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("last_attempt_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", Id, primary_key=True),
        sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("change_set_id", Id, nullable=False),
        sa.Column("message_id", sa.String, nullable=False, unique=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcDateTime, nullable=False),
        sa.Column("give_up_at", UtcDateTime, nullable=False),
        sa.Column("last_attempt_at", UtcDateTime),
        sa.Column("last_response", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_webhook_id_state", "webhook_deliveries", ["webhook_id", "state"])


def downgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if not on_postgresql:
        op.drop_table("customer_terms")
    for table in (
        "webhook_deliveries",
        "upload_chunks",
        "token_requests",
        "rejected_rows",
        "skipped_customers",
        "job_batches",
        "operator_sessions",
        "idempotency_keys",
        "customer_search",
        "webhooks",
        "tokens",
        "segment_totals",
        "segment_deltas",
        "segment_counts",
        "customer_changes",
        "change_set_parts",
        "retention_horizon",
        "refused_requests",
        "operators",
        "jobs",
        "failed_sign_ins",
        "customers",
        "customer_totals",
        "change_sets",
    ):
        op.drop_table(table)
    if on_postgresql:
        for sequence in SEQUENCES:
            op.execute(sa.schema.DropSequence(sa.Sequence(sequence)))
