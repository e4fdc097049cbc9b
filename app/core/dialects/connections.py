"""Connections: their settings, their time limits, and how their transactions begin."""

import select
import sqlite3
import time
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from app.core.dialects.sqlite_lock import begin_writing
from app.core.errors import UnsupportedDatabase

BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for a lock, also one that only reads."""

STATEMENT_TIMEOUT_MS = 30_000
"""After this, the server ends a statement. Maintenance has no limit."""

IDLE_TIMEOUT_MS = 300_000
"""After this, the server ends a transaction that does nothing: an export to a client that reads no more, say."""

ANSWER_TIMEOUT_S = 35
"""After this, a connection whose server is silent is closed: longer than any statement may take.

Keepalives do not notice a server that has stopped behind a network that still acknowledges packets.
"""

CANCEL_TIMEOUT_S = 2.0

PREPARE_THRESHOLD = 2
"""Executions of a statement on a connection after which the server keeps its plan."""

NO_POOLER = "direct"
LOCK_TIMEOUT = "lock_timeout"
TRANSACTION_ID = "transaction_id"
STATISTICS_TRUSTED_UNTIL = "statistics_trusted_until"
DISTRIBUTED = "distributed"
"""What a PostgreSQL connection's `info` holds: whether no pooler stands before the server, the session's lock timeout,
the number of the transaction that writes and when it began, until when the statistics need no other look, and whether
the server is a node of a Citus cluster."""

FEW_CUSTOMERS = 1_000

STATISTICS_TRUSTED_S = 10
"""How long statistics that count many customers are taken to do so, on one connection."""

_TRANSACTION = "SELECT pg_current_xact_id()::text || ' ' || now()::text"
"""Returns the number of the transaction and when it began."""

_STATISTICS = f"""few_or_unknown,
    set_config('enable_nestloop', CASE WHEN few THEN 'off' ELSE 'on' END, true)
    FROM (SELECT bool_or(reltuples BETWEEN 0 AND {FEW_CUSTOMERS}) AS few,
    bool_or(reltuples <= {FEW_CUSTOMERS}) AS few_or_unknown FROM pg_class
    WHERE oid IN (to_regclass('customers'), to_regclass('customer_search'))) AS statistics"""  # noqa: S608 - a constant
"""Whether the statistics of either table count few customers or do not exist.

Where they count few, it turns off nested loops: the statistics may date from when the table was nearly empty. The
planner would then compare each customer of a batch with each stored one, 5,000 with 23,570: 40 s. If there are few
indeed, it does not matter how they are joined. It takes 0.1 ms: see `STATISTICS_TRUSTED_S`.
"""

_TRANSACTION_AND_STATISTICS = f"{_TRANSACTION}, {_STATISTICS}"

SESSION_SETTINGS = {
    "search_path": '"$user", public',
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "standard_conforming_strings": "on",
    "idle_in_transaction_session_timeout": str(IDLE_TIMEOUT_MS),
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "jit": "off",  # compiling a plan takes longer than our queries do
}
"""Set on each connection, whatever the defaults of server, database and role. Their operator may set read-only."""

TRACKED_SETTINGS = {"DateStyle": "ISO, YMD", "TimeZone": "UTC"}
"""Settings that a pooler in transaction mode restores for each of its clients."""


def engine_options(url: str) -> dict[str, Any]:
    """Return the options of SQLAlchemy's engine for this database."""
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000}}
    return {
        # One for each of a worker's four threads and three tasks, and one for the stream of an export.
        "pool_size": 8,
        # When requests wait for locks, the server starts more threads: MAX_THREADS of app.server.exchange.
        "max_overflow": 16,
        "connect_args": {
            "connect_timeout": 5,
            # BEGIN is sent below: a transaction that begins with a statement of the driver costs a round trip more.
            "autocommit": True,
            "prepare_threshold": None,
            "client_encoding": "UTF8",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    }


def configure_engine(engine: Engine) -> None:
    """Set how connections of `engine` are opened, checked and begun."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _connect_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "do_connect", _open_postgresql)
        event.listen(engine, "checkout", _discard_stale)
        event.listen(engine, "begin", _begin_postgresql)


def for_writing(engine: Engine, wait: bool = True) -> Engine:
    """Return the engine for transactions that write; without `wait`, one that fails instead of waiting for a lock."""
    return engine.execution_options(writing=BUSY_TIMEOUT_MS if wait else 1)


def for_reading_by_key(engine: Engine) -> Engine:
    """Return the engine for transactions that read many customers by their keys, and write nothing, as previews do."""
    return engine.execution_options(by_key=True)


def for_maintenance(engine: Engine) -> Engine:
    """Return the engine for transactions that read or write whole tables, however long that takes."""
    return engine.execution_options(writing=BUSY_TIMEOUT_MS, maintenance=True)


def for_snapshot(engine: Engine) -> Engine:
    """Return the engine for a transaction that reads whole tables as of one moment, however long that takes.

    On SQLite it keeps writers out; on PostgreSQL `dialects.hold_still` does.
    """
    if engine.dialect.name == "sqlite":
        return for_maintenance(engine)
    return engine.execution_options(maintenance=True, snapshot=True)


def cancel_query(connection: Any) -> None:
    """End the query that a connection of the driver runs, from another thread."""
    if isinstance(connection, sqlite3.Connection):
        connection.interrupt()
    else:
        connection.cancel_safe(timeout=CANCEL_TIMEOUT_S)


def connect_for_reads(engine: Engine) -> Connection:
    """Return a connection for single statements that read: each is a transaction by itself, in one round trip."""
    # Options of the connection: those of an engine take 25 µs more, a tenth of the statement.
    return engine.connect().execution_options(autocommit_read=True)


def short_timeout_reads(engine: Engine, seconds: float) -> Engine:
    """Return the engine for single statements that read and fail when the server takes longer than this."""
    return engine.execution_options(autocommit_read=True, answer_timeout=seconds)


# SQLite


def _connect_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is sent below
    # A cache of 32 MB: scanning 50,000 customers for a rare segment takes 8 ms instead of 9.
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "cache_size = -32768"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # The busy timeout does not cover a read transaction that turns into a write: a writer takes the lock at once.
    options = connection.get_execution_options()
    wait = options.get("writing")
    if wait:
        begin_writing(connection, wait / 1000)
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait or BUSY_TIMEOUT_MS}")
    if not (wait or options.get("autocommit_read")):
        connection.exec_driver_sql("BEGIN")


# PostgreSQL


class _SupervisedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server is silent for too long."""

    answer_timeout: float | None = ANSWER_TIMEOUT_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout or self.answer_timeout)
        except psycopg.errors._WaitTimeout:
            self.close()
            raise psycopg.OperationalError("the server does not answer") from None


def _open_postgresql(_dialect: Dialect, record: ConnectionPoolEntry, args: Any, parameters: Any) -> Any:
    connection = _SupervisedConnection.connect(*args, **parameters)
    try:
        _set_up(connection, record)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
    query = "SELECT pg_backend_pid(), current_setting('server_encoding'), to_regclass('pg_dist_partition') IS NOT NULL"
    pid, encoding, distributed = connection.execute(query).fetchone() or (0, "", False)
    if encoding != "UTF8":
        raise UnsupportedDatabase(
            f"The database has the encoding {encoding}, which cannot store all text. Create one with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and set DATABASE_URL to it."
        )
    # A pooler in transaction mode gives each transaction another session of the server: neither prepared statements
    # nor settings stay. It invents the number under which it knows its client, so the server's own shows whether there
    # is one.
    record.info[NO_POOLER] = direct = pid == connection.info.backend_pid
    record.info[DISTRIBUTED] = distributed
    record.info[LOCK_TIMEOUT] = BUSY_TIMEOUT_MS if direct else None
    settings = TRACKED_SETTINGS | (SESSION_SETTINGS | {"lock_timeout": str(BUSY_TIMEOUT_MS)} if direct else {})
    calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
    connection.execute(f"SELECT {calls}", [text for setting in settings.items() for text in setting])


def _discard_stale(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    """Discard a pooled connection that the server has closed: it has unread data although no statement was sent."""
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.pgconn.socket, select.POLLIN)
        if not poll.poll(0):
            return
    raise DisconnectionError


def _begin_postgresql(connection: Connection) -> None:
    options, info = connection.get_execution_options(), connection.info
    writing, read = options.get("writing"), options.get("autocommit_read")
    driver: Any = connection.connection.driver_connection
    # Only statements that are short and repeated all day. Those of lists are planned for the values at hand.
    driver.prepare_threshold = PREPARE_THRESHOLD if (writing or read) and info[NO_POOLER] else None
    driver.answer_timeout = None if options.get("maintenance") else options.get("answer_timeout", ANSWER_TIMEOUT_S)
    info.pop(TRANSACTION_ID, None)
    if read:
        return
    how = "BEGIN ISOLATION LEVEL REPEATABLE READ" if options.get("snapshot") else "BEGIN"
    begin = [how, *(f"SET LOCAL {name} = {value}" for name, value in _local_settings(options, info).items())]
    if writing:
        trusted = info.get(STATISTICS_TRUSTED_UNTIL, 0) > time.monotonic()
        query = _TRANSACTION if trusted else _TRANSACTION_AND_STATISTICS
        row = _last_row(connection, driver, "; ".join([*begin, query]))
        # Known from the beginning, for the case that the answer to COMMIT is lost; no round trip of its own.
        info[TRANSACTION_ID] = row[0]
        if not trusted and row[1] is False:
            info[STATISTICS_TRUSTED_UNTIL] = time.monotonic() + STATISTICS_TRUSTED_S
        elif not trusted:
            driver.prepare_threshold = None  # plan_cache_mode would also plan each check of a foreign key anew
    elif options.get("by_key"):
        _last_row(connection, driver, "; ".join([*begin, f"SELECT {_STATISTICS}"]))
    else:
        connection.exec_driver_sql("; ".join(begin))


def _local_settings(options: Any, info: dict[Any, Any]) -> dict[str, Any]:
    """Return the settings of this transaction alone, so that none leaks to the next client of a pooled connection."""
    settings: dict[str, Any] = {}
    if not info[NO_POOLER]:
        settings = {"statement_timeout": STATEMENT_TIMEOUT_MS, "search_path": SESSION_SETTINGS["search_path"]}
    wait = options.get("writing", BUSY_TIMEOUT_MS)
    if info[LOCK_TIMEOUT] != wait:
        settings["lock_timeout"] = wait
    if options.get("maintenance"):
        settings["statement_timeout"] = settings["idle_in_transaction_session_timeout"] = 0
        settings["plan_cache_mode"] = "force_custom_plan"  # no import inherits its plan to check a foreign key
    elif "writing" in options or options.get("by_key"):
        # It finds its customers by key. Without statistics, or with those of a table that has grown since, the
        # planner may prefer to read all customers for each of them: minutes instead of milliseconds.
        settings["enable_seqscan"] = "off"
    else:
        # A page reads little, however much the planner expects: starting its helpers takes longer than reading.
        settings["max_parallel_workers_per_gather"] = 0
    return settings


def _last_row(connection: Connection, driver: psycopg.Connection[Any], statements: str) -> tuple[Any, ...]:
    """Return the only row of the last statement. Raises DBAPIError, as SQLAlchemy does."""
    try:
        cursor = driver.execute(statements.encode())
        while cursor.nextset():
            pass
        row: tuple[Any, ...] = cursor.fetchone() or ()
    except psycopg.Error as error:
        lost = bool(driver.closed)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statements, None, error, psycopg.Error, connection_invalidated=lost, dialect=connection.dialect
        ) from error
    return row
