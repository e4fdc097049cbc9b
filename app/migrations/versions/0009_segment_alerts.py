"""Alerts on the sizes of segments, when they were raised, and webhook messages about other events than change sets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BytewiseString = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "raised_alerts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("type", BytewiseString, nullable=False),
        sa.Column("value", BytewiseString, nullable=True),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("threshold", Id, nullable=False),
        sa.Column("customers", Id, nullable=False),
        sa.Column("day_before", Id, nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_raised_alerts_type", "raised_alerts", ["type", "value"])
    op.create_table(
        "segment_alerts",
        sa.Column("type", BytewiseString, primary_key=True),
        sa.Column("value", BytewiseString, primary_key=True),
        sa.Column("whole_type", sa.Boolean(), primary_key=True),
        sa.Column("condition", sa.String(), primary_key=True),
        sa.Column("threshold", Id, nullable=False),
        sa.Column("raised_id", Id, sa.ForeignKey("raised_alerts.id"), nullable=True),
    )
    op.add_column("webhook_deliveries", sa.Column("message", Json, nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM webhook_deliveries WHERE message IS NOT NULL")
    with op.batch_alter_table("webhook_deliveries") as table:
        table.drop_column("message")
    op.drop_table("segment_alerts")
    op.drop_table("raised_alerts")
