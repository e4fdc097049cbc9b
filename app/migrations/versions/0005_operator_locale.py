"""The language of each operator."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("operators", sa.Column("locale", sa.String()))


def downgrade() -> None:
    op.drop_column("operators", "locale")
