"""A concurrent transaction that holds locks."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from app.core.database import db


@contextmanager
def another_writer(*document_ids: str) -> Iterator[Any]:
    """Yield a connection that locks these customers (on SQLite: everything) until it commits."""
    url = db.engine.url
    if url.get_backend_name() == "sqlite":
        connection: Any = sqlite3.connect(str(url.database), isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
        connection.execute("SET LOCAL deadlock_timeout = '60s'")  # the other side finds the deadlock
        for document_id in document_ids:
            connection.execute("SELECT 1 FROM customers WHERE document_id = %s FOR UPDATE", [document_id])
    try:
        yield connection
    finally:
        connection.close()
