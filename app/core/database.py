"""The database: the declarative base, the transactions that write, and what happens when it is busy."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

import orjson
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, MetaData, Row, Select, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from app.core import dialects
from app.core.errors import Unavailable

MAX_ATTEMPTS = 4

T = TypeVar("T")


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


db = SQLAlchemy(model_class=Base)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: always aware and in UTC, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


def now() -> datetime:
    return datetime.now(UTC)


class JsonText(str):
    """JSON, written already: sent to the database as it is."""

    __slots__ = ()

    @staticmethod
    def of(value: Any) -> "JsonText":
        return value if isinstance(value, JsonText) else JsonText(orjson.dumps(value), "utf-8")


def engine_options(url: str) -> dict[str, Any]:
    """What SQLAlchemy's engine needs: orjson for JSON columns, and no parameters (customers) in error messages."""
    return {
        "json_serializer": JsonText.of,
        "json_deserializer": orjson.loads,
        "hide_parameters": True,
        **dialects.engine_options(url),
    }


def run_in_transaction(work: Callable[[Session], T], *, keep: bool = True, patient: bool = True) -> T:
    """Run `work` in one transaction that may write, and again when the database asks for that.

    Everything `work` does is there afterwards, or nothing is; with `keep=False` nothing is (a dry run). It must be
    safe to run more than once. Without `patient` it gives up at the first sign that it would have to wait.

    What was being read through `db.session` is let go first, so that a request never holds two connections.

    Raises Unavailable when the database is away, or busy past its timeout and our patience.
    """
    db.session.remove()

    def transaction() -> T:
        with Session(dialects.for_writing(db.engine, patient), expire_on_commit=False) as session:
            result = work(session)
            if keep:
                session.commit()
            return result

    return _with_retries(transaction, MAX_ATTEMPTS if patient else 1)


def _with_retries(work: Callable[[], T], attempts: int) -> T:
    """Run `work` again while the database asks for that, at most so often. Raises Unavailable."""
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
    """The rows, a few at most, of one statement that reads: what every request asks first takes no transaction.

    Raises Unavailable when the database is away, or busy past its timeout.
    """

    def look() -> Sequence[Row[Any]]:
        with dialects.autocommit_reads(db.engine).connect() as connection:
            return connection.execute(query, parameters).all()

    return _with_retries(look, MAX_ATTEMPTS)


def raise_if_unavailable(error: Exception) -> None:
    """Raise Unavailable if `error` means that the database is away or busy; otherwise do nothing."""
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and dialects.is_unavailable(error)):
        raise Unavailable() from error
