"""Facts on record, files, and changes of many that are prepared, looked at and then made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Moment = sa.DateTime(timezone=True)
Json = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("change_sets", sa.Column("created", sa.Integer, nullable=False, server_default="0"))
    op.add_column("change_sets", sa.Column("updated", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "fact_changes",
        sa.Column("change_set_id", Id, primary_key=True, autoincrement=False),
        sa.Column("document_id", Exact, primary_key=True),
        sa.Column("before", Json),
        sa.Column("after", Json),
    )
    op.create_table(
        "jobs",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("finished_at", Moment),
        sa.Column("wanted", Json, nullable=False),
        sa.Column("effect", Json),
        sa.Column("result", Json),
        sa.Column("problem", sa.String),
        sa.Column("phase", sa.String),
        sa.Column("done", Id, nullable=False),
        sa.Column("total", Id),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease", sa.String),
        sa.Column("leased_until", Moment),
        sa.Column("change_set_id", Id),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "file_parts",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rejected_lines",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("line", Id, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("kept", Json, nullable=False),
    )


def downgrade() -> None:
    for table in ("rejected_lines", "file_parts", "jobs", "fact_changes"):
        op.drop_table(table)
    with op.batch_alter_table("change_sets") as change_sets:
        change_sets.drop_column("updated")
        change_sets.drop_column("created")
