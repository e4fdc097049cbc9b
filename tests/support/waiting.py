"""Waits for a thread whose transaction waits for another one."""

import threading
import time

from sqlalchemy import text

from app.core.database import db


def await_lock_or_end(thread: threading.Thread) -> None:
    """Return once a transaction of PostgreSQL waits for a lock, or the thread has ended."""
    with db.engine.connect() as connection:
        while thread.is_alive() and not connection.scalar(text("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1")):
            time.sleep(0.01)
