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
        other: Any = sqlite3.connect(str(url.database), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
        other.execute("SET LOCAL deadlock_timeout = '60s'")  # the other side finds the deadlock
        for document_id in document_ids:
            other.execute("SELECT 1 FROM customers WHERE document_id = %s FOR UPDATE", [document_id])
    try:
        yield other
    finally:
        other.close()
