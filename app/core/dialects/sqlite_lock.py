"""SQLite's only lock for writers: how they wait for it, and how a large job leaves it to them."""

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

RETRY_S = 0.005
"""Between two tries of a writer who waits. SQLite's own are up to 100 ms apart, and miss the pauses of a job."""

PAUSE_S = 0.012
"""The pause of a job between two batches, in which those who wait take the lock."""

SMALL_BATCH, SMALL_UNDO_BATCH = 2_000, 1_000
"""Customers in a batch of a large job: about two tenths of a second, for which other writers wait."""

_turn = threading.Lock()
"""One thread of a process tries to take the lock, and the others wait for it."""


def begin_writing(connection: Connection, timeout: float) -> None:
    """Begin a transaction that holds the lock. Raises DBAPIError if it is not free within so many seconds."""
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    end = time.monotonic() + timeout
    if _turn.acquire(timeout=timeout):
        try:
            if _begins(connection.exec_driver_sql):
                return
            driver: Any = connection.connection.driver_connection
            while time.monotonic() < end:
                time.sleep(RETRY_S)
                if _begins(driver.execute):
                    return
        finally:
            _turn.release()
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begins(execute: Callable[[str], Any]) -> bool:
    """Begin unless another transaction has the lock; return whether it did. Raises DBAPIError."""
    try:
        execute("BEGIN IMMEDIATE")
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            return False
        raise
    except sqlite3.Error:  # of the driver: the last try raises it as a DBAPIError
        return False
    return True


def yield_to_writers(engine: Engine) -> None:
    """Pause, so that writers who wait for SQLite's only lock can take it."""
    if engine.dialect.name == "sqlite":
        time.sleep(PAUSE_S)


def batch_size(engine: Engine, limit: int, *, is_undo: bool = False) -> int:
    """Return how many customers, at most `limit`, one of several transactions of a job changes."""
    small = SMALL_UNDO_BATCH if is_undo else SMALL_BATCH
    return min(small, limit) if engine.dialect.name == "sqlite" else limit
