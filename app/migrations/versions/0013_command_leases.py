"""Leases of the change sets that commands are applying, which end soon after the command was killed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("change_sets", sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("change_sets") as table:
        table.drop_column("leased_until")
