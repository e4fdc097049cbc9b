"""Reading from a replica: it may be behind, but never behind what the reader has changed.

A replica answers lists, charts and exports. The primary answers all else, and these too when the replica fails, or has
not yet replayed the reader's last change sets.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, cast
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Engine, bindparam, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import REPLICA, db, fetch_autocommit, finish_reading
from app.core.errors import UnsupportedDatabase
from app.core.models.change_sets import ChangeSet

RETRY_AFTER_S = 10
"""How long a replica that failed is not tried again, so that requests do not all wait for it."""

CHECK_TIMEOUT_S = 2
"""How long a replica may take to say what it has replayed."""

RECENT_CHANGE_SETS = 10
"""A client with several requests at a time has several change sets whose order of commit is not that of their ids."""

ReplicaErrors = (DBAPIError, PoolTimeout, UnsupportedDatabase)

log = structlog.get_logger()

sets = ChangeSet.__table__.c

_newest = select(sets.position).where(sets.actor == bindparam("actor")).order_by(sets.id.desc())
NEWEST_POSITIONS = _newest.limit(RECENT_CHANGE_SETS)
REPLAYED = select(func.count()).where(sets.position.in_(bindparam("positions", expanding=True)))

_suspended_until: WeakKeyDictionary[Engine, float] = WeakKeyDictionary()


class AnsweredBy(StrEnum):
    """What answers a read, and why."""

    ONLY_PRIMARY = "none"
    """There is no replica."""
    REPLICA = "replica"
    BEHIND = "behind"
    """The primary, because the replica lacks a change set of the reader."""
    FAILED = "failed"
    """The primary, because the replica does not answer, or did not a moment ago."""


def replica() -> Engine | None:
    """Return the engine of the replica, if there is one."""
    return db.engines.get(REPLICA)


def short_timeout_engine(engine: Engine) -> Engine:
    """Return the engine for statements that must not wait long for a replica that is silent."""
    return dialects.short_timeout_reads(engine, CHECK_TIMEOUT_S)


@contextmanager
def reading_session(actor: str) -> Iterator[AnsweredBy]:
    """Let `db.session` read from the replica, unless it lacks a change of this actor; yield what answers.

    The transaction that reads from the primary ends first, so that a request never holds two connections. Objects that
    were loaded there keep their values.
    """
    source = _choose(actor)
    if source is not AnsweredBy.REPLICA:
        yield source
        return
    primary, registry = db.session(), cast(Any, db.session.registry)
    with Session(replica()) as session:
        registry.set(session)
        try:
            yield source
        finally:
            registry.set(primary)


def _choose(actor: str) -> AnsweredBy:
    engine = replica()
    if engine is None:
        return AnsweredBy.ONLY_PRIMARY
    if _suspended_until.get(engine, 0) > time.monotonic():
        return AnsweredBy.FAILED
    finish_reading()
    written = [row.position for row in fetch_autocommit(NEWEST_POSITIONS, {"actor": actor}) if row.position is not None]
    try:
        with short_timeout_engine(engine).connect() as connection:
            replayed = connection.scalar(REPLAYED, {"positions": written})
    except ReplicaErrors as error:
        suspend(error)
        return AnsweredBy.FAILED
    return AnsweredBy.REPLICA if replayed == len(written) else AnsweredBy.BEHIND


def suspend(error: Exception) -> None:
    """Log why the replica failed, and let the primary answer for some time."""
    log.warning("replica_failed", reason=str(getattr(error, "orig", None) or error).partition("\n")[0])
    engine = replica()
    if engine is not None:
        _suspended_until[engine] = time.monotonic() + RETRY_AFTER_S
