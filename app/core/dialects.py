"""What differs between SQLite and PostgreSQL, and nothing else.

Constructs here render themselves for the database at hand, so that every statement elsewhere is written once.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Engine,
    FromClause,
    Integer,
    String,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    column,
    event,
    func,
    insert,
    or_,
    select,
    text,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

BUSY_TIMEOUT_MS = 5_000

Json = JSON().with_variant(JSONB(), "postgresql")
"""JSONB on PostgreSQL; on SQLite compact JSON text, always by the same serializer, so that equal means equal."""

DocumentId = String().with_variant(String(collation="C"), "postgresql")
"""Compared and ordered by bytes on both: what is equal, and what comes next, must not depend on a server's locale."""

Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""


# Connections


def engine_options(url: str) -> dict[str, Any]:
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000}}
    return {
        "connect_args": {
            "connect_timeout": 5,
            # Prepared statements live in a server session, which PgBouncer's transaction mode does not promise.
            "prepare_threshold": None,
        }
    }


def prepare(engine: Engine) -> None:
    """Make every connection of `engine` behave: transactions that really begin, and writers that wait their turn."""
    event.listen(engine, "begin", _begin_sqlite if engine.dialect.name == "sqlite" else _begin_postgresql)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _connect_sqlite)


def writing(engine: Engine, patient: bool = True) -> Engine:
    """The same engine, for transactions that write, and wait for other writers (or do not)."""
    return engine.execution_options(writing=BUSY_TIMEOUT_MS if patient else 1)


def _connect_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in ("journal_mode = WAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # The busy timeout does not cover a read transaction that turns into a write: a writer takes the lock at once.
    wait = connection.get_execution_options().get("writing")
    if wait:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if wait else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    # LOCAL: it ends with the transaction, so nothing leaks to the next client of a pooled server connection.
    wait = connection.get_execution_options().get("writing")
    if wait:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")


# Errors

# serialization_failure, deadlock_detected; and a connection that the server closed while it lay in the pool.
_TRY_AGAIN = ("40001", "40P01", "57P01")
# connection exceptions, insufficient resources, operator intervention, lock_not_available
_AWAY_OR_BUSY = ("08", "53", "57", "55P03", "40001", "40P01")


def worth_another_try(error: Exception) -> bool:
    """Whether the transaction failed by coincidence with another one, or by a connection gone stale."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_name(error.orig).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _TRY_AGAIN


def away_or_busy(error: DBAPIError) -> bool:
    """Whether the database could not be reached or did not get to it in time: no fault of the request."""
    if isinstance(error.orig, sqlite3.Error):
        away = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY")
        return _sqlite_name(error.orig).startswith(away)
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:  # never reached the server, or lost it
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return str(sqlstate).startswith(_AWAY_OR_BUSY)


def _sqlite_name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")


# JSON unfolded into rows


class _Entries(FunctionElement[Any]):
    """The entries of a JSON object: rows of (key, value)."""

    name = "json_each"
    inherit_cache = True


class _Elements(FunctionElement[Any]):
    """The elements of a JSON array: rows of (value)."""

    name = "json_each"
    inherit_cache = True


class _Texts(FunctionElement[Any]):
    """The elements of a JSON array of strings: rows of (value) as text."""

    name = "json_each"
    inherit_cache = True


@compiles(_Entries, "postgresql")
def _(element: _Entries, compiler: Any, **kw: Any) -> str:
    return f"jsonb_each({compiler.process(element.clauses, **kw)})"


@compiles(_Elements, "postgresql")
def _(element: _Elements, compiler: Any, **kw: Any) -> str:
    return f"jsonb_array_elements({compiler.process(element.clauses, **kw)})"


@compiles(_Texts, "postgresql")
def _(element: _Texts, compiler: Any, **kw: Any) -> str:
    return f"jsonb_array_elements_text({compiler.process(element.clauses, **kw)})"


@compiles(_Entries)
@compiles(_Elements)
@compiles(_Texts)
def _(element: FunctionElement[Any], compiler: Any, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


def entries(value: Mapping[str, Any]) -> FromClause:
    """A mapping sent as ONE parameter, as a table of (key, value)."""
    return _Entries(_json(value)).table_valued(column("key", DocumentId), column("value", Json), name="entry")


def elements(value: ColumnElement[Any] | list[Any]) -> FromClause:
    """A JSON array, of a column or sent as one parameter, as a table of (value)."""
    array = _json(value) if isinstance(value, list) else value
    return _Elements(array).table_valued(column("value", Json), name="element")


def texts(value: list[str]) -> FromClause:
    """A list of strings sent as one parameter, as a table of (value)."""
    return _Texts(_json(value)).table_valued(column("value", DocumentId), name="text")


def _json(value: Any) -> ColumnElement[Any]:
    return bindparam(None, value, type_=Json, unique=True)


# Small expressions


class next_change_set_id(ColumnElement[int]):  # noqa: N801 - reads as the SQL function it stands for
    """A number never handed out before, larger than every one before it that is already committed."""

    inherit_cache = True
    type = Id


@compiles(next_change_set_id, "postgresql")
def _(_element: next_change_set_id, _compiler: Any, **_kw: Any) -> str:
    return "nextval('change_sets_id_seq')"


@compiles(next_change_set_id)
def _(_element: next_change_set_id, _compiler: Any, **_kw: Any) -> str:
    return "(SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'change_sets')"


class _Holds(FunctionElement[bool]):
    name = "holds"
    type = Boolean()
    inherit_cache = True


@compiles(_Holds, "postgresql")
def _(element: _Holds, compiler: Any, **kw: Any) -> str:
    segments, pair, _text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{segments} @> {pair}"


@compiles(_Holds)
def _(element: _Holds, compiler: Any, **kw: Any) -> str:
    segments, _pair, text = element.clauses
    return f"instr({compiler.process(segments, **kw)}, {compiler.process(text, **kw)}) > 0"


def holds(segments: ColumnElement[Any], segment: dict[str, str]) -> ColumnElement[bool]:
    """Whether a column of segments has this `{"type", "value"}` among its own.

    PostgreSQL answers from the GIN index. SQLite looks for the pair's compact text: quotes inside a value are escaped,
    so the text of a pair cannot occur within one.
    """
    pair = orjson.dumps({"type": segment["type"], "value": segment["value"]}).decode()
    return _Holds(segments, _json([segment]), bindparam(None, pair, type_=Text, unique=True))


class _Merged(FunctionElement[Any]):
    name = "merged"
    inherit_cache = True


@compiles(_Merged, "postgresql")
def _(element: _Merged, compiler: Any, **kw: Any) -> str:
    segments, add, remove = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"""coalesce((SELECT jsonb_agg(m.value ORDER BY m.part, m.n) FROM (
        SELECT e.value, 0 AS part, e.n FROM jsonb_array_elements({segments}) WITH ORDINALITY AS e (value, n)
         WHERE NOT {remove} @> jsonb_build_array(e.value)
        UNION ALL
        SELECT e.value, 1, e.n FROM jsonb_array_elements({add}) WITH ORDINALITY AS e (value, n)
         WHERE {remove} @> jsonb_build_array(e.value) OR NOT {segments} @> jsonb_build_array(e.value)
    ) AS m), '[]')"""  # noqa: S608 - compiled, with its parameters bound


@compiles(_Merged)
def _(element: _Merged, compiler: Any, **kw: Any) -> str:
    segments, add, remove = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"""(SELECT json_group_array(json(m.value)) FROM (
        SELECT e.value, 0 AS part, e.key AS n FROM json_each({segments}) AS e
         WHERE e.value NOT IN (SELECT value FROM json_each({remove}))
        UNION ALL
        SELECT e.value, 1, e.key FROM json_each({add}) AS e
         WHERE e.value IN (SELECT value FROM json_each({remove}))
            OR e.value NOT IN (SELECT value FROM json_each({segments}))
        ORDER BY part, n
    ) AS m)"""  # noqa: S608


def merged(segments: ColumnElement[Any], *, add: ColumnElement[Any], remove: ColumnElement[Any]) -> ColumnElement[Any]:
    """A JSON array without the elements to remove, then the elements to add that are not among the rest."""
    return _Merged(segments, add, remove)


# The order of the feed

_POSITION_LOCK = 4_919_122_335


def take_position(session: Session, change_set_id: int) -> int:
    """The place in the feed of a change set that is about to be committed, with all its customers locked.

    Whoever changed one of these customers before has committed, with a lower position. Until this transaction ends, a
    shared lock tells that a position is taken which cannot be seen yet. On SQLite, with one writer at a time, ids do.
    """
    if session.get_bind().dialect.name != "postgresql":
        return change_set_id
    session.execute(select(func.pg_advisory_xact_lock_shared(_POSITION_LOCK)))
    return int(session.scalars(select(func.nextval("change_set_positions"))).one())


def settled_position(session: Session) -> int:
    """A position up to which every change set is committed, or never will be; ends the session's transaction.

    It waits for those who are just committing, and for nobody else: a writer takes its position last.
    """
    session.rollback()
    if session.get_bind().dialect.name != "postgresql":
        return 2**62
    session.execute(text(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}"))
    newest = session.scalars(text("SELECT last_value FROM change_set_positions")).one()
    session.execute(select(func.pg_advisory_xact_lock(_POSITION_LOCK)))
    session.rollback()
    return int(newest)


# The one statement that has a different shape on each


def update_and_record(
    session: Session, change: Update, returning: Mapping[str, ColumnElement[Any]], into: Table
) -> list[tuple[str, str, str]]:
    """Run `change`, insert what `returning` says of each updated row into `into`.

    Gives back (document_id, before, after) of each, the last two as JSON text: callers group by the text and parse
    only what differs. PostgreSQL does it in one statement, so that the rows never leave the server to come back.
    """
    told = ("document_id", "before", "after")
    if session.get_bind().dialect.name == "postgresql":
        updated = change.returning(*(value.label(name) for name, value in returning.items())).cte("updated")
        recorded = insert(into).from_select(list(returning), select(updated)).cte("recorded")
        rows: list[Any] = list(
            session.execute(select(*(cast(updated.c[name], Text) for name in told)).add_cte(recorded))
        )
        return rows
    rows = list(session.execute(change.returning(*(type_coerce(returning[name], Text).label(name) for name in told))))
    updated_ids = select(texts([row.document_id for row in rows]).c.value)
    values = select(*returning.values()).where(returning["document_id"].in_(updated_ids))
    session.execute(insert(into).from_select(list(returning), values))
    return rows


# Rows created or updated by their key


def save(
    session: Session,
    table: Any,
    names: tuple[str, ...],
    rows: list[dict[str, Any]],
    *,
    always: dict[str, Any] | None = None,
) -> tuple[list[str], list[str]]:
    """Create the rows whose `document_id` is new (with the JSON columns of `always`), update those that differ.

    Only the columns in `names` are written, all of them text. Gives back the document_ids created, and those updated.
    """
    sent = elements(rows)
    document_id = sent.c.value["document_id"].as_string()
    values = {name: sent.c.value[name].as_string() for name in names}
    given = {name: _json(value) for name, value in (always or {}).items()}
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).from_select(
        ["document_id", *values, *given],
        # In one order everywhere, so that writers wait for one another instead of in a circle. SQLite needs the WHERE
        # to tell ON CONFLICT from a join's ON.
        select(document_id, *values.values(), *given.values()).where(true()).order_by(document_id),
    )
    created = list(session.scalars(new.on_conflict_do_nothing().returning(table.c.document_id)))
    if not names or len(created) == len(rows):
        return created, []
    differing = or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
    change = update(table).where(table.c.document_id == document_id, differing).values(values)
    return created, list(session.scalars(change.returning(table.c.document_id)))
