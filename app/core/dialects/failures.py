"""What it means when the database fails: whether to try again, and whether the request is at fault."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_RETRYABLE = (
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available: rows are not queued for, so a transaction can be unlucky
    "57P01",  # admin_shutdown: the server closed the connection
    "57P02",
    "57P03",  # crash_shutdown, cannot_connect_now
)
_UNAVAILABLE = (
    *_RETRYABLE,
    "08",  # connection exceptions
    "25006",  # read_only_sql_transaction: a standby, or frozen by its operator
    "25P03",  # idle_in_transaction_session_timeout
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "55000",  # object_not_in_prerequisite_state: in recovery, no transaction can be numbered
    "57",  # operator intervention, statement timeout
    "58",  # system errors: a file of the database is missing or cannot be read
)
_SQLITE_RETRYABLE = ("SQLITE_BUSY", "SQLITE_LOCKED")
_SQLITE_UNAVAILABLE = (
    *_SQLITE_RETRYABLE,
    "SQLITE_CANTOPEN",
    "SQLITE_CORRUPT",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_NOTADB",
    "SQLITE_PERM",
    "SQLITE_READONLY",
    "SQLITE_INTERRUPT",  # its client has disconnected
)


def is_retryable(error: Exception) -> bool:
    """Return whether the transaction failed by coincidence with another one, or by a stale connection."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_name(error.orig).startswith(_SQLITE_RETRYABLE)
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _RETRYABLE


def is_unavailable(error: DBAPIError) -> bool:
    """Return whether the database could not be reached, written or waited for: no fault of the request."""
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_name(error.orig).startswith(_SQLITE_UNAVAILABLE)
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:  # never reached the server, or lost it
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return str(sqlstate).startswith(_UNAVAILABLE)


def is_unmigrated(error: DBAPIError) -> bool:
    """Return whether a table is missing: the database is new, or its file was lost and created again."""
    return str(error.orig).startswith("no such table") or getattr(error.orig, "sqlstate", None) == "42P01"


def _sqlite_name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")
