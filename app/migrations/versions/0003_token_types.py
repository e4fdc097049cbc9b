"""Tokens that are limited to segment types."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("types", Json, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("tokens", "types")
