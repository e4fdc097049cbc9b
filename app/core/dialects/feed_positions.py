"""Numbers and moments of change sets and their parts: ids to begin with, a position and a moment to end with."""

from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, func, literal_column, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from app.core.dialects.connections import BUSY_TIMEOUT_MS
from app.core.dialects.distribution import check_settled, is_distributed, read_every_worker
from app.core.dialects.types import Id

_POSITION_LOCK = 4_919_122_335


class _NextId(FunctionElement[int]):
    """A number of a table that was never given out before and is larger than every committed one."""

    inherit_cache = True
    type = Id


class next_change_set_id(_NextId):  # noqa: N801 - reads as the SQL function that it stands for
    """The id of a new change set."""

    inherit_cache = True
    table = "change_sets"


class next_part_id(_NextId):  # noqa: N801
    """The id of a new part of a change set."""

    inherit_cache = True
    table = "change_set_parts"


@compiles(next_change_set_id, "postgresql")
@compiles(next_part_id, "postgresql")
def _(element: Any, _compiler: Any, **_kw: Any) -> str:
    return f"nextval('{element.table}_id_seq')"


@compiles(next_change_set_id)
@compiles(next_part_id)
def _(element: Any, _compiler: Any, **_kw: Any) -> str:
    return f"(SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = '{element.table}')"  # noqa: S608


class _PositionLock(FunctionElement[int]):
    inherit_cache = True
    type = Id


@compiles(_PositionLock, "postgresql")
def _(_element: _PositionLock, _compiler: Any, **_kw: Any) -> str:
    return f"pg_advisory_xact_lock_shared({_POSITION_LOCK})::text"


@compiles(_PositionLock)
def _(_element: _PositionLock, _compiler: Any, **_kw: Any) -> str:
    return "1"


def position_lock() -> FromClause:
    """Return a table of one row, which exists once the transaction holds a shared lock of the positions.

    While a transaction holds it, a position may be taken whose part cannot be seen yet. OFFSET prevents the planner
    from merging the table into the statement around it, which would evaluate other columns before the lock.
    """
    return select(_PositionLock().label("lock")).offset(literal_column("0")).subquery("position_lock")


class next_position(FunctionElement[int]):  # noqa: N801
    """The place in the feed of the part with this id, which is about to be committed with all its customers locked.

    Earlier changes of these customers are committed, with lower positions. SQLite has one writer at a time,
    and a part's id is taken inside its transaction: the id is the position.
    """

    inherit_cache = True
    type = Id


@compiles(next_position, "postgresql")
def _(_element: next_position, _compiler: Any, **_kw: Any) -> str:
    return "nextval('part_positions')"


@compiles(next_position)
def _(element: next_position, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class _ClosingMoment(FunctionElement[Any]):
    inherit_cache = True
    type = DateTime(timezone=True)


def closing_moment(newest: ColumnElement[Any], earliest: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the moment of a part: the later of the database's clock and the `earliest` that it may be.

    Where that is NULL, it is a microsecond after `newest`, the latest moment on record. Where the database's clock is
    the process's own (SQLite), the moment is `earliest`.
    """
    return _ClosingMoment(newest, earliest)


@compiles(_ClosingMoment, "postgresql")
def _(element: _ClosingMoment, compiler: Any, **kw: Any) -> str:
    newest, earliest = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"greatest(clock_timestamp(), coalesce({earliest}, {newest} + interval '1 microsecond'))"


@compiles(_ClosingMoment)
def _(element: _ClosingMoment, compiler: Any, **kw: Any) -> str:
    _newest, earliest = element.clauses
    return str(compiler.process(earliest, **kw))


class clock(FunctionElement[Any]):  # noqa: N801
    """The database's clock at this moment; NULL where it is the process's own, which tells microseconds (SQLite)."""

    inherit_cache = True
    type = DateTime(timezone=True)


@compiles(clock, "postgresql")
def _(_element: clock, _compiler: Any, **_kw: Any) -> str:
    return "clock_timestamp()"


@compiles(clock)
def _(_element: clock, _compiler: Any, **_kw: Any) -> str:
    return "NULL"


def has_own_clock(session: Session) -> bool:
    """Return whether the database is a server, with a clock of its own."""
    return session.get_bind().dialect.name == "postgresql"


def begin_snapshot(session: Session) -> None:
    """Begin a transaction that sees all of the parts up to some position, and none after it, until it ends.

    No part has a position and is not committed while the lock of positions is held alone. SQLite has one writer at a
    time, so that every transaction that reads is such a snapshot.
    """
    session.rollback()
    if has_own_clock(session):
        engine = session.get_bind()
        with engine.engine.connect() as locker:
            locker.execute(text(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}"))
            locker.execute(select(func.pg_advisory_xact_lock(_POSITION_LOCK)))
            check_settled(locker)
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            session.execute(text("SELECT 1"))
            read_every_worker(session)
            locker.rollback()


def settled_position(session: Session) -> int:
    """Return a position up to which every part is committed or never will be; ends the session's transaction.

    It waits for transactions that are committing at this moment, and for no others: writers take positions last.
    """
    session.rollback()
    if not has_own_clock(session):
        return 2**62
    session.execute(text(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}"))
    newest = session.scalars(text("SELECT last_value FROM part_positions")).one()
    session.execute(select(func.pg_advisory_xact_lock(_POSITION_LOCK)))
    check_settled(session.connection())
    session.rollback()
    return int(newest)


def keep_commits_out(session: Session) -> None:
    """Let no part be committed until this transaction ends, where one statement does not see one moment.

    That is so on Citus, whose workers have no common snapshot: what is committed meanwhile would be counted on some
    of them only.
    """
    if is_distributed(session):
        session.execute(select(func.pg_advisory_xact_lock(_POSITION_LOCK)))
