"""Jobs that are applied and reverted at a moment, and the range of the customers in each of their batches."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BytewiseString = sa.String().with_variant(sa.String(collation="C"), "postgresql")
UtcDateTime = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("apply_at", UtcDateTime))
    op.add_column("jobs", sa.Column("revert_at", UtcDateTime))
    op.add_column("jobs", sa.Column("revert_job_id", Id))
    op.add_column("job_batches", sa.Column("first_id", BytewiseString))
    op.add_column("job_batches", sa.Column("last_id", BytewiseString))


def downgrade() -> None:
    # The previous version knows no scheduled jobs: what is prepared is discarded.
    op.execute("UPDATE jobs SET state = 'discarded' WHERE state = 'scheduled'")
    for table, columns in (
        ("job_batches", ("last_id", "first_id")),
        ("jobs", ("revert_job_id", "revert_at", "apply_at")),
    ):
        for column in columns:
            op.drop_column(table, column)
