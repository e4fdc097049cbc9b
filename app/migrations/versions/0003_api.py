"""Requests that may come again, and tokens that guard against too large a change."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("token_id", Id, sa.ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", Exact, primary_key=True),
        sa.Column("request_digest", sa.String, nullable=False),
        sa.Column("created_at", Moment, nullable=False, index=True),
        sa.Column("response", sa.String),
        sa.Column("change_set_id", Id),
    )
    op.add_column("tokens", sa.Column("guard_customers", sa.Integer))
    op.add_column("tokens", sa.Column("guard_percent", sa.Integer))


def downgrade() -> None:
    with op.batch_alter_table("tokens") as tokens:
        tokens.drop_column("guard_percent")
        tokens.drop_column("guard_customers")
    op.drop_table("idempotency_keys")
