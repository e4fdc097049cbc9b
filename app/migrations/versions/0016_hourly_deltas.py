"""By how many customers each segment grew or shrank, by hour: the overview read every part of the last day."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BytewiseString = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "hourly_deltas",
        sa.Column("hour", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("actor", sa.String, primary_key=True),
        sa.Column("type", BytewiseString, primary_key=True),
        sa.Column("value", BytewiseString, primary_key=True),
        sa.Column("delta", Id, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("hourly_deltas")
