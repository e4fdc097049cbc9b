"""Overwriting deleted rows in SQLite's files, which keep their content; PostgreSQL's VACUUM does it by itself."""

import sqlite3
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

CHECKPOINT_TIMEOUT_MS = 1_000
"""How long the log waits for readers of its pages, and with it all writers."""


def request_purge(session: Session) -> None:
    """Note, as part of a transaction that deletes, that its rows must not stay in the file.

    In the number that SQLite's header has for its users, so that the note is committed and copied with the rows.
    """
    if session.get_bind().dialect.name == "sqlite":
        connection = session.connection()
        requested = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {requested + 1}")


def purge_is_due(engine: Engine) -> bool:
    """Return whether rows were deleted since the last purge that must not stay in the file."""
    if engine.dialect.name != "sqlite":
        return False
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def purge_deleted(engine: Engine) -> bool:
    """Write SQLite's file anew, without the content of deleted rows; return False if readers or writers prevent it."""
    if engine.dialect.name != "sqlite":
        return True
    connection = engine.raw_connection()
    try:
        return _purge(connection.cursor())
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_BUSY":
            raise
        return False
    finally:
        connection.close()


def _purge(cursor: Any) -> bool:
    requested = _value(cursor, "PRAGMA user_version")
    cursor.execute("INSERT INTO customer_terms(customer_terms) VALUES ('rebuild')")
    cursor.execute("VACUUM")
    busy_timeout = _value(cursor, "PRAGMA busy_timeout")
    cursor.execute(f"PRAGMA busy_timeout = {CHECKPOINT_TIMEOUT_MS}")
    is_busy = _value(cursor, "PRAGMA wal_checkpoint(TRUNCATE)")
    cursor.execute(f"PRAGMA busy_timeout = {busy_timeout}")
    if is_busy:
        return False
    cursor.execute("BEGIN IMMEDIATE")
    # Unless more was deleted since: then it is done again.
    if requested and _value(cursor, "PRAGMA user_version") == requested:
        cursor.execute("PRAGMA user_version = 0")
    cursor.execute("COMMIT")
    return True


def _value(cursor: Any, statement: str) -> int:
    return int(cursor.execute(statement).fetchone()[0])
