"""Rules for the segments of a type, and tokens that obey them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BytewiseString = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "segment_rules",
        sa.Column("type", BytewiseString, primary_key=True),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("multiple", sa.Boolean(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("allowed_values", Json, nullable=False),
    )
    op.add_column("tokens", sa.Column("strict", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("tokens") as table:
        table.drop_column("strict")
    op.drop_table("segment_rules")
