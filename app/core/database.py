"""The database: the declarative base, transactions that write, and what a busy or absent database means."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

import orjson
import structlog
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, Engine, MetaData, Row, Select, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from app.core import dialects
from app.core.errors import Unavailable, UnsupportedDatabase

MAX_ATTEMPTS = 4

REPLICA = "replica"
"""The bind key of the database that replicates the first one, if there is one."""

REPLICA_CONNECT_ARGS = {"connect_timeout": 2}
"""A read waits this long for an absent replica, and is then answered by the primary."""

T = TypeVar("T")

log = structlog.get_logger()

EVIDENCE_KEY = "evidence"
"""The key of a session's `info` with a query for a row that the transaction inserted, see `dialects.was_committed`."""


class Base(DeclarativeBase):
    __table__: ClassVar[Table]

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class _Database(SQLAlchemy):
    def _teardown_session(self, exc: BaseException | None) -> None:
        """End the request's session. A connection that failed meanwhile is no fault of the request's answer."""
        try:
            super()._teardown_session(exc)
        except DBAPIError:
            _forget_session()


db = _Database(model_class=Base, session_options={"expire_on_commit": False})


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: always aware and in UTC, whatever the database stores."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON that is serialized already: sent to the database as it is."""

    content: bytes

    @classmethod
    def of(cls, value: Any) -> "JsonText":
        return cls(orjson.dumps(value))


def _serialize(value: Any) -> str:
    """Return the text of a value for a JSON column."""
    return (value.content if isinstance(value, JsonText) else orjson.dumps(value)).decode()


def engine_options(url: str) -> dict[str, Any]:
    """Return the engine's options: orjson for JSON columns, and no parameters (customers) in error messages."""
    return {
        "json_serializer": _serialize,
        "json_deserializer": orjson.loads,
        "hide_parameters": True,
        **dialects.engine_options(url),
    }


def replica_bind(url: str | None) -> dict[str, dict[str, Any]]:
    """Return the bind of the replica for Flask-SQLAlchemy, or none."""
    if url is None:
        return {}
    options = engine_options(url)
    return {REPLICA: {"url": url, **options, "connect_args": options["connect_args"] | REPLICA_CONNECT_ARGS}}


def run_in_transaction(
    work: Callable[[Session], T], *, commit: bool = True, wait: bool = True, maintenance: bool = False
) -> T:
    """Run `work` in one transaction that may write, and again when the database asks for that.

    All of what `work` does is committed, or nothing; without `commit` nothing is (a dry run). It must be safe to run
    more than once. Without `wait`, it fails where it had to wait for a lock. With `maintenance` it reads or writes
    whole tables and has no time limit.

    The transaction that reads through `db.session` ends first, so that a request never holds two connections: objects
    loaded there stay attached, and are read again when used next.

    Raises Unavailable when the database is away, busy past its timeout, or cannot be written.
    """
    _end_reading()

    def transaction() -> T:
        engine = dialects.for_maintenance(db.engine) if maintenance else dialects.for_writing(db.engine, wait)
        with Session(engine, expire_on_commit=False) as session:
            result = work(session)
            if commit:
                _commit(session)
            return result

    return _with_retries(transaction, MAX_ATTEMPTS if wait else 1)


def finish_reading() -> None:
    """End the transaction that reads through `db.session`. Objects loaded there keep their values."""
    try:
        db.session.commit()
    except DBAPIError:
        _forget_session()


def _end_reading() -> None:
    try:
        db.session.rollback()
    except DBAPIError:
        _forget_session()


def _forget_session() -> None:
    """Close a session whose connection failed, and the connection with it."""
    log.warning("session_lost", exc_info=True)
    db.session().invalidate()
    db.session.registry.clear()


def _commit(session: Session) -> None:
    """Commit. If the answer is lost, find out whether it happened, so that nothing is done twice."""
    transaction_id = session.connection().info.get(dialects.TRANSACTION_ID)
    try:
        session.commit()
    except DBAPIError as error:
        if not (transaction_id and error.connection_invalidated):
            raise
        if not dialects.was_committed(db.engine, transaction_id, session.info.get(EVIDENCE_KEY)):
            raise
        log.warning("commit_answer_lost", transaction=transaction_id)


def _with_retries(work: Callable[[], T], attempts: int) -> T:
    """Run `work`, up to so many times while the database asks for that. Raises Unavailable."""
    for attempt in range(1, attempts + 1):
        try:
            return work()
        except (DBAPIError, PoolTimeout) as error:
            if not dialects.is_retryable(error) or attempt == attempts:
                raise_if_unavailable(error)
                raise
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
    raise AssertionError("unreachable: the last attempt returns or raises")


def fetch_autocommit(query: Select[Any], parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Return the rows, a few at most, of one reading statement without a transaction, as each request needs first.

    Raises Unavailable when the database is away, or busy past its timeout.
    """

    def fetch() -> Sequence[Row[Any]]:
        with dialects.connect_for_reads(db.engine) as connection:
            return connection.execute(query, parameters).all()

    return _with_retries(fetch, MAX_ATTEMPTS)


def check_database(engine: Engine) -> None:
    """Raise UnsupportedDatabase if the database cannot hold the data; an absent one may come later."""
    try:
        engine.connect().close()
    except (DBAPIError, PoolTimeout) as error:
        log.warning("database_unavailable", reason=_reason(error))


def raise_if_unavailable(error: Exception) -> None:
    """Log `error` and raise Unavailable, if it means that the database is away, busy or not migrated."""
    if isinstance(error, DBAPIError) and dialects.is_unmigrated(error):
        raise UnsupportedDatabase("The database has no tables yet. Run: flask db upgrade") from error
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and dialects.is_unavailable(error)):
        log.warning("database_unavailable", reason=_reason(error))
        raise Unavailable() from error


def _reason(error: Exception) -> str:
    """Return the first line of the message: what follows may quote customers."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]
