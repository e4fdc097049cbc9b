"""Connections that wait their turn, and what it means when one fails."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MS = 5_000

PREPARE_THRESHOLD = 2
"""How often a connection meets a statement before it has it prepared, which spares the server planning it."""


def engine_options(url: str) -> dict[str, Any]:
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000}}
    return {
        # A worker's four threads and three duties hold one each, and a stream of an export another.
        "pool_size": 8,
        # When requests wait for locks, the server starts more threads: MAX_THREADS of app.server.exchange.
        "max_overflow": 16,
        # We say BEGIN ourselves, below: a transaction that begins with a statement of its own costs a round trip more.
        "connect_args": {"connect_timeout": 5, "autocommit": True, "prepare_threshold": None},
    }


def configure_engine(engine: Engine) -> None:
    """Make every connection of `engine` behave: transactions that really begin, and writers that wait their turn."""
    sqlite = engine.dialect.name == "sqlite"
    event.listen(engine, "connect", _connect_sqlite if sqlite else _connect_postgresql)
    event.listen(engine, "begin", _begin_sqlite if sqlite else _begin_postgresql)


def for_writing(engine: Engine, patient: bool = True) -> Engine:
    """The same engine, for transactions that write, and wait for other writers (or do not)."""
    return engine.execution_options(writing=BUSY_TIMEOUT_MS if patient else 1)


def autocommit_reads(engine: Engine) -> Engine:
    """The same engine, for single statements that read: each is a transaction by itself, in one round trip."""
    return engine.execution_options(looking=True)


def _connect_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    # 32 MB of pages are kept: looking through 50,000 customers for a rare segment takes 8 ms instead of 9.
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "cache_size = -32768"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # The busy timeout does not cover a read transaction that turns into a write: a writer takes the lock at once.
    options = connection.get_execution_options()
    wait = options.get("writing")
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait or BUSY_TIMEOUT_MS}")
    if not options.get("looking"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if wait else "BEGIN")


NO_POOLER = "direct"
"""Under this name a PostgreSQL connection's `info` says that no pooler stands between us and the server."""


def _connect_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
    # Prepared statements live in a session of the server, which a pooler in transaction mode changes at will. It makes
    # up the number under which it knows us: the server's own tells whether there is one.
    told = connection.execute("SELECT pg_backend_pid()").fetchone()
    record.info[NO_POOLER] = told == (connection.info.backend_pid,)


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    wait, looking = options.get("writing"), options.get("looking")
    # Only statements that are short and come again all day. Those of lists are planned anew for what is looked for.
    again = (wait or looking) and connection.info[NO_POOLER]
    connection.connection.driver_connection.prepare_threshold = PREPARE_THRESHOLD if again else None  # type: ignore[union-attr]
    if wait:
        # LOCAL: it ends with the transaction, so nothing leaks to the next client of a pooled server connection.
        connection.exec_driver_sql(f"BEGIN; SET LOCAL lock_timeout = {wait}")
    elif not looking:
        # A page reads little, however much a planner expects: to start its helpers takes longer than to read it.
        connection.exec_driver_sql("BEGIN; SET LOCAL max_parallel_workers_per_gather = 0")


# serialization_failure, deadlock_detected, lock_not_available (nobody queues for a row: who waits can be unlucky),
# and admin_shutdown: a connection that the server closed while it lay in the pool
_RETRYABLE = ("40001", "40P01", "55P03", "57P01")
# connection exceptions, insufficient resources, operator intervention, lock_not_available
_UNAVAILABLE = ("08", "53", "57", "55P03", "40001", "40P01")


def is_retryable(error: Exception) -> bool:
    """Whether the transaction failed by coincidence with another one, or by a connection gone stale."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_name(error.orig).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _RETRYABLE


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the database could not be reached or did not get to it in time: no fault of the request."""
    if isinstance(error.orig, sqlite3.Error):
        away = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY")
        return _sqlite_name(error.orig).startswith(away)
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:  # never reached the server, or lost it
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return str(sqlstate).startswith(_UNAVAILABLE)


def _sqlite_name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")
