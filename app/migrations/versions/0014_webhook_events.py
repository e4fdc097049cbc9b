"""Webhooks that receive some kinds of events only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("events", Json, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("webhooks", "events")
