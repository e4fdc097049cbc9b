"""Customers, the record of their changes, the counts, tokens and operators."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("document_id", Exact, primary_key=True),
        sa.Column("name", sa.String),
        sa.Column("email", sa.String),
        sa.Column("phone", sa.String),
        sa.Column("segments", Json, nullable=False),
        sa.Column("changed_at", Moment),
        sa.Column("change_set_id", Id),
        sa.Column("previous_segments", Json),
        sa.Column("previous_change_set_id", Id),
    )
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_customers_segments",
            "customers",
            ["segments"],
            postgresql_using="gin",
            postgresql_ops={"segments": "jsonb_path_ops"},
        )
    op.create_table(
        "customer_search",
        sa.Column("document_id", Exact, primary_key=True),
        sa.Column("email", sa.String, index=True),
        sa.ForeignKeyConstraint(["document_id"], ["customers.document_id"], onupdate="CASCADE", ondelete="CASCADE"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("change_set_positions")))
    op.create_table(
        "change_sets",
        sa.Column("id", Id, primary_key=True),
        sa.Column("position", Id, nullable=False, unique=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("note", sa.String),
        sa.Column("reverts", Id, index=True),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "segment_changes",
        sa.Column("change_set_id", Id, primary_key=True, autoincrement=False),
        sa.Column("document_id", Exact, primary_key=True),
        sa.Column("before", Json, nullable=False),
        sa.Column("after", Json, nullable=False),
        sa.Column("previous_change_set_id", Id),
    )
    op.create_table(
        "prunings",
        sa.Column("id", Id, primary_key=True),
        sa.Column("until", Moment, nullable=False),
        sa.Column("position", Id, nullable=False),
    )
    op.create_table(
        "segment_counts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("change_set_id", Id),
        sa.Column("type", Exact, nullable=False),
        sa.Column("value", Exact, nullable=False),
        sa.Column("delta", Id, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment),
        sa.Column("revoked_at", Moment),
        sa.Column("last_used_at", Moment),
    )
    op.create_table(
        "operators",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", sa.String, nullable=False, unique=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "operators",
        "tokens",
        "segment_counts",
        "prunings",
        "segment_changes",
        "change_sets",
        "customer_search",
        "customers",
    ):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence("change_set_positions")))
