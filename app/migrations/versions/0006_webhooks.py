"""Webhooks, and what was delivered to them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", Id, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("salt", sa.String, nullable=False),
        sa.Column("secret_digest", sa.String, nullable=False),
        sa.Column("previous_salt", sa.String),
        sa.Column("previous_until", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("paused_at", Moment),
        sa.Column("position", Id, nullable=False),
        sa.Column("lease", sa.String),
        sa.Column("leased_until", Moment, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", Id, primary_key=True),
        sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("change_set_id", Id, nullable=False),
        sa.Column("message_id", sa.String, nullable=False, unique=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", Moment, nullable=False),
        sa.Column("give_up_at", Moment, nullable=False),
        sa.Column("last_attempt_at", Moment),
        sa.Column("last_answer", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_webhook_id_state", "webhook_deliveries", ["webhook_id", "state"])


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
