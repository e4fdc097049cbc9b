"""Tokens, operators and their sessions."""

import sqlalchemy as sa
from alembic import op

from app.migrations.first_schema.types import BytewiseString, Id, Json, UtcDateTime


def create_access() -> None:
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
