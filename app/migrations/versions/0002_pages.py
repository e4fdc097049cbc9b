"""What the pages need: search, totals, movements, operators' sessions and invitations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.core.search.terms import index_terms, sort_name

revision = "0002"
down_revision = "0001"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Moment = sa.DateTime(timezone=True)
Words = sa.String().with_variant(postgresql.TSVECTOR(), "postgresql")

BATCH = 5_000

# The full text of SQLite is a table beside `customer_search`, kept by triggers.
FULL_TEXT = (
    """CREATE VIRTUAL TABLE customer_words USING fts5(
        words, content='customer_search', content_rowid='id', tokenize='unicode61 remove_diacritics 0')""",
    """CREATE TRIGGER customer_words_insert AFTER INSERT ON customer_search BEGIN
        INSERT INTO customer_words(rowid, words) VALUES (new.id, new.words);
    END""",
    """CREATE TRIGGER customer_words_delete AFTER DELETE ON customer_search BEGIN
        INSERT INTO customer_words(customer_words, rowid, words) VALUES ('delete', old.id, old.words);
    END""",
    """CREATE TRIGGER customer_words_update AFTER UPDATE OF words ON customer_search BEGIN
        INSERT INTO customer_words(customer_words, rowid, words) VALUES ('delete', old.id, old.words);
        INSERT INTO customer_words(rowid, words) VALUES (new.id, new.words);
    END""",
)


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    _search(on_postgresql)
    op.create_index(
        "ix_customers_carrying_nothing",
        "customers",
        ["document_id"],
        postgresql_where=sa.text("segments = '[]'"),
        sqlite_where=sa.text("segments = '[]'"),
    )
    op.create_table(
        "customer_totals",
        sa.Column("id", Id, primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("customers", Id, nullable=False),
        sa.Column("carrying", Id, nullable=False),
        sqlite_autoincrement=True,
    )
    if op.get_bind().scalar(sa.text("SELECT document_id FROM customers LIMIT 1")) is not None:
        op.execute(
            """INSERT INTO customer_totals (day, customers, carrying)
               SELECT CURRENT_DATE, count(*), count(*) FILTER (WHERE segments <> '[]') FROM customers"""
        )
    op.create_table(
        "segment_movements",
        sa.Column("type", Exact, primary_key=True),
        sa.Column("value", Exact, primary_key=True),
        sa.Column("change_set_id", Id, primary_key=True, autoincrement=False, index=True),
        sa.Column("delta", Id, nullable=False),
    )
    op.create_index("ix_change_sets_actor", "change_sets", ["actor", "id"])
    op.create_index("ix_change_sets_at", "change_sets", ["at"])
    with op.batch_alter_table("operators") as operators:
        operators.alter_column("password_hash", existing_type=sa.String, nullable=True)
        operators.add_column(sa.Column("invitation_digest", sa.String))
        operators.add_column(sa.Column("invited_until", Moment))
        operators.add_column(sa.Column("deactivated_at", Moment))
        operators.create_unique_constraint("uq_operators_invitation_digest", ["invitation_digest"])
    op.create_table(
        "operator_sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("operator_id", Id, sa.ForeignKey("operators.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("browser", sa.String, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("last_used_at", Moment, nullable=False),
    )
    op.create_table(
        "failed_sign_ins",
        sa.Column("email", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", Moment, nullable=False),
    )
    op.create_table(
        "refused_requests",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("token", sa.String, primary_key=True),
        sa.Column("code", sa.String, primary_key=True),
        sa.Column("requests", Id, nullable=False),
    )


def _search(on_postgresql: bool) -> None:
    op.drop_table("customer_search")
    op.create_table(
        "customer_search",
        sa.Column("id", Id, primary_key=True),
        sa.Column("document_id", Exact, nullable=False, unique=True),
        sa.Column("email", Exact, index=True),
        sa.Column("name", Exact),
        sa.Column("words", Words),
        sa.ForeignKeyConstraint(["document_id"], ["customers.document_id"], onupdate="CASCADE", ondelete="CASCADE"),
    )
    if not on_postgresql:
        for statement in FULL_TEXT:
            op.execute(statement)
    _fill_search()
    op.create_index("ix_customer_search_name", "customer_search", ["name", "document_id"])
    if on_postgresql:
        op.create_index("ix_customer_search_words", "customer_search", ["words"], postgresql_using="gin")


def _fill_search() -> None:
    customers = sa.table("customers", *(sa.column(name) for name in ("document_id", "name", "email", "phone")))
    search = sa.table("customer_search", *(sa.column(name) for name in ("document_id", "email", "name")))
    search.append_column(sa.column("words", Words))
    next_ones = sa.select(customers).order_by(customers.c.document_id).limit(BATCH)
    last = ""
    while found := op.get_bind().execute(next_ones.where(customers.c.document_id > last)).all():
        rows = [
            {
                "document_id": row.document_id,
                "email": row.email and row.email.casefold(),
                "name": sort_name(row.name),
                "words": index_terms(row.document_id, row._mapping),
            }
            for row in found
        ]
        op.bulk_insert(search, rows)
        last = found[-1].document_id


def downgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for table in ("refused_requests", "failed_sign_ins", "operator_sessions", "segment_movements", "customer_totals"):
        op.drop_table(table)
    op.execute("DELETE FROM operators WHERE password_hash IS NULL")
    with op.batch_alter_table("operators") as operators:
        operators.drop_constraint("uq_operators_invitation_digest")
        operators.drop_column("deactivated_at")
        operators.drop_column("invited_until")
        operators.drop_column("invitation_digest")
        operators.alter_column("password_hash", existing_type=sa.String, nullable=False)
    op.drop_index("ix_change_sets_at", "change_sets")
    op.drop_index("ix_change_sets_actor", "change_sets")
    op.drop_index("ix_customers_carrying_nothing", "customers")
    if not on_postgresql:
        op.drop_table("customer_words")
    op.drop_table("customer_search")
    op.create_table(
        "customer_search",
        sa.Column("document_id", Exact, primary_key=True),
        sa.Column("email", sa.String, index=True),
        sa.ForeignKeyConstraint(["document_id"], ["customers.document_id"], onupdate="CASCADE", ondelete="CASCADE"),
    )
    op.execute("INSERT INTO customer_search SELECT document_id, lower(email) FROM customers WHERE email IS NOT NULL")
