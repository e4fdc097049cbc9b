"""Counts of rejected requests by hour, to sum the last 24 hours; those by day are no longer written."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "hourly_refusals",
        sa.Column("hour", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("token", sa.String, primary_key=True),
        sa.Column("code", sa.String, primary_key=True),
        sa.Column("requests", Id, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("hourly_refusals")
