"""Where tokens may be used from, their rotation, and their last requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Without batches: for SQLite they make the table anew, and what refers to a token would go with the old one.
    op.add_column("tokens", sa.Column("networks", Json, nullable=False, server_default="[]"))
    op.add_column("tokens", sa.Column("previous_digest", sa.String))
    op.add_column("tokens", sa.Column("previous_until", Moment))
    op.create_index("ix_tokens_previous_digest", "tokens", ["previous_digest"], unique=True)
    op.create_table(
        "token_requests",
        sa.Column("id", Id, primary_key=True),
        sa.Column("token_id", Id, sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", Moment, nullable=False),
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


def downgrade() -> None:
    op.drop_table("token_requests")
    op.drop_index("ix_tokens_previous_digest", "tokens")
    for column in ("previous_until", "previous_digest", "networks"):
        op.drop_column("tokens", column)
