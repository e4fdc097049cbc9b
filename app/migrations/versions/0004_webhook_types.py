"""Webhooks that receive change sets of some segment types only, and test events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("types", Json, nullable=False, server_default="[]"))
    with op.batch_alter_table("webhook_deliveries") as table:
        table.alter_column("change_set_id", existing_type=Id, nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM webhook_deliveries WHERE change_set_id IS NULL")
    with op.batch_alter_table("webhook_deliveries") as table:
        table.alter_column("change_set_id", existing_type=Id, nullable=False)
    op.drop_column("webhooks", "types")
