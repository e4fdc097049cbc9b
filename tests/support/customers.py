"""Customers in the database of a test: segments to set, and ways to create, change, read and delete them."""

from sqlalchemy import func, select, text

from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, run_in_transaction
from app.core.models.change_sets import Actor, ChangeSet
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer

Segments = list[dict[str, str]]
GOLD: Segments = [{"type": "membership", "value": "GOLD"}]
SILVER: Segments = [{"type": "membership", "value": "SILVER"}]
WINE: Segments = [{"type": "interest", "value": "WINE"}]
TESTER = Actor("tester", "command")


START_AGAIN = """SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"""


def reset_database() -> None:
    """Every table as after the migrations; numbers start again from 1."""
    db.session.remove()
    tables = [table.name for table in reversed(db.metadata.sorted_tables)]
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # few rows in many tables: twenty times as fast as TRUNCATE
            # The plan of ON DELETE CASCADE is kept, and may be of a time when the table was empty.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text(";".join(f"DELETE FROM {table}" for table in tables)))
            connection.execute(text(START_AGAIN))
        else:
            for table in (*tables, "sqlite_sequence"):
                connection.execute(text(f"DELETE FROM {table}"))


def add_customers(*document_ids: str, **profile_fields: str) -> None:
    run_in_transaction(
        lambda session: upsert_customers(session, [{"document_id": id_, **profile_fields} for id_ in document_ids])
    )


def profile(**fields: str | None) -> dict[str, str | None]:
    """Return a whole profile: these fields, and None for all others."""
    return {**dict.fromkeys(PROFILE_FIELD_NAMES), **fields}


def set_segments(document_id: str, segments: Segments, actor: Actor = TESTER) -> None:
    replace_segments({document_id: segments}, actor)


def all_segments() -> dict[str, Segments]:
    db.session.rollback()
    return {row.document_id: row.segments for row in db.session.query(Customer.document_id, Customer.segments)}


def count_change_sets() -> int:
    db.session.rollback()
    return db.session.scalars(select(func.count()).select_from(ChangeSet)).one()
