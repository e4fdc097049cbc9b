"""Numbers for change sets: an id to begin with, a position in the feed to end with."""

from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from app.core.dialects.connections import BUSY_TIMEOUT_MS
from app.core.dialects.types import Id

_POSITION_LOCK = 4_919_122_335


class next_change_set_id(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it stands for
    """A number never handed out before, larger than every one before it that is already committed."""

    inherit_cache = True
    type = Id


@compiles(next_change_set_id, "postgresql")
def _(_element: next_change_set_id, _compiler: Any, **_kw: Any) -> str:
    return "nextval('change_sets_id_seq')"


@compiles(next_change_set_id)
def _(_element: next_change_set_id, _compiler: Any, **_kw: Any) -> str:
    return "(SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'change_sets')"


class position_of(FunctionElement[int]):  # noqa: N801
    """The place in the feed of the change set with this id, about to be committed, with all its customers locked.

    Whoever changed one of these customers before has committed, with a lower position. Until this transaction ends, a
    shared lock tells that a position is taken which cannot be seen yet. On SQLite, with one writer at a time, ids do.
    """

    inherit_cache = True
    type = Id


@compiles(position_of, "postgresql")
def _(_element: position_of, _compiler: Any, **_kw: Any) -> str:
    # The lock first: what makes a row has run before the row is told of, and OFFSET keeps the two apart.
    lock = f"SELECT pg_advisory_xact_lock_shared({_POSITION_LOCK}) OFFSET 0"
    return f"(SELECT nextval('change_set_positions') FROM ({lock}) AS held)"  # noqa: S608


@compiles(position_of)
def _(element: position_of, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


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
