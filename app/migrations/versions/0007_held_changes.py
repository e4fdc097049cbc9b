"""Held changes: what a token's guard allows, warns of and holds, and who decided on a held change."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("guard_floor", "guard_warn_customers", "guard_warn_percent"):
        op.add_column("tokens", sa.Column(name, sa.Integer))
    op.add_column("tokens", sa.Column("guard_holds", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("token_requests", sa.Column("guard", sa.String))
    op.add_column("jobs", sa.Column("decided_by", sa.String))


def downgrade() -> None:
    op.execute("UPDATE jobs SET state = 'discarded' WHERE state = 'held'")
    op.drop_column("jobs", "decided_by")
    op.drop_column("token_requests", "guard")
    for name in ("guard_holds", "guard_warn_percent", "guard_warn_customers", "guard_floor"):
        op.drop_column("tokens", name)
