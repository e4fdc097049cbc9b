"""The customers of a job in batches, fixed by its preview, and those that were skipped when a batch was applied.

A batch is compressed JSON, `{document_id: …}` with whatever the kind of job needs: what is to be done, and what the
preview assumed of the customer.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, count, islice
from typing import Any

import orjson
from sqlalchemy import ForeignKey, Select, delete, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db, raise_if_unavailable, run_in_transaction
from app.core.limits import BATCH_SIZE
from app.jobs.runner import JobRun

BatchContent = dict[str, Any]

SKIP_REASONS = {
    "missing": "no longer exists",
    "exists": "was created meanwhile",
    "changed": "changed after the preview",
    "stale": "changed after the moment of the request",
    "conflict": "changed later",
    "second_value": "has another value of a type that takes one",
    "too_many": "would have too many segments",
}


class JobBatch(Base):
    """Customers that one transaction changes."""

    __tablename__ = "job_batches"

    job_id: Mapped[int] = mapped_column(dialects.Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customers: Mapped[int]
    first_id: Mapped[str | None] = mapped_column(dialects.BytewiseString)
    last_id: Mapped[str | None] = mapped_column(dialects.BytewiseString)
    """The smallest and the largest document_id: they tell which few batches can contain a customer."""
    compressed: Mapped[bytes]


class SkippedCustomer(Base):
    """A customer of a job that was not changed, and why: a key of SKIP_REASONS."""

    __tablename__ = "skipped_customers"

    job_id: Mapped[int] = mapped_column(dialects.Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    document_id: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    reason: Mapped[str]


batches, skipped_customers = JobBatch.__table__, SkippedCustomer.__table__


class BatchWriter:
    """Stores the customers of a preview in batches, under the lease of the job.

    Up to BATCH_SIZE are one batch, so that they are changed all or none.
    """

    def __init__(self, run: JobRun) -> None:
        self._run, self._number = run, 0
        self._pending: BatchContent = {}
        job_id = run.job.id
        run_in_transaction(lambda session: session.execute(delete(batches).where(batches.c.job_id == job_id)))

    def add(self, customers: Mapping[str, Any]) -> None:
        self._pending.update(customers)
        if not self._number and len(self._pending) <= BATCH_SIZE:
            return
        size = dialects.batch_size(self._run.engine, BATCH_SIZE)
        while len(self._pending) >= size:
            ids = list(islice(self._pending, size))
            self.store({document_id: self._pending.pop(document_id) for document_id in ids})

    def close(self) -> None:
        if self._pending:
            self.store(self._pending)

    def store(self, batch: BatchContent) -> None:
        """Store a batch as it is."""
        row = batch_row(self._run.job.id, self._number, batch)
        # On a connection of its own: the session goes on reading the customers of the preview, as of one moment.
        try:
            with Session(dialects.for_writing(self._run.engine)) as session:
                self._run.check_lease(session)
                session.execute(insert(batches).values(row))
                session.commit()
        except (DBAPIError, PoolTimeout) as error:
            raise_if_unavailable(error)
            raise
        self._number += 1


def content_values(batch: BatchContent) -> dict[str, Any]:
    """Return the columns that hold the customers of a batch."""
    compressed = zlib.compress(orjson.dumps(batch), 1)
    return {"first_id": min(batch, default=None), "last_id": max(batch, default=None), "compressed": compressed}


def batch_row(job_id: int, number: int, batch: BatchContent) -> dict[str, Any]:
    """Return the row of a batch."""
    return {"job_id": job_id, "number": number, "customers": len(batch), **content_values(batch)}


def insert_batches(session: Session, job_id: int, customers: Iterable[tuple[str, Any]]) -> None:
    """Store customers and what is to be done with each, as BatchWriter does, as part of a transaction."""
    remaining = iter(customers)
    first = dict(islice(remaining, BATCH_SIZE + 1))
    remaining = chain(first.items(), remaining)
    size = BATCH_SIZE if len(first) <= BATCH_SIZE else dialects.batch_size(db.engine, BATCH_SIZE)
    for number in count():
        batch = dict(islice(remaining, size))
        if not batch:
            return
        session.execute(insert(batches).values(batch_row(job_id, number, batch)))


def count_batches(job_id: int) -> tuple[int, int]:
    """Return the number of batches and of their customers."""
    # By the number of the last one: an erasure deletes the batches that are applied.
    last, sum_ = func.max(batches.c.number), func.sum(batches.c.customers)
    query = select(func.coalesce(last + 1, 0), func.coalesce(sum_, 0)).where(batches.c.job_id == job_id)
    number, customers = db.session.execute(query).one()
    return number, customers


def load_batch(session: Session, job_id: int, number: int) -> BatchContent:
    return _parse(load_content(session, job_id, number))


def load_content(session: Session, job_id: int, number: int) -> bytes:
    """Return a batch as it is stored."""
    content: bytes = session.scalars(_select_content(job_id, number)).one()
    return content


def lock_erased(session: Session, job_id: int, number: int, content: bytes) -> Collection[str]:
    """Return the customers erased since the batch had this `content`; none are erased until the transaction ends.

    It waits for an erasure that has rewritten the batch, and a later one waits for this transaction.
    """
    current: bytes = session.scalars(_select_content(job_id, number).with_for_update(read=True)).one()
    return () if current == content else _parse(content).keys() - _parse(current).keys()


def _select_content(job_id: int, number: int) -> Select[Any]:
    return select(batches.c.compressed).where(batches.c.job_id == job_id, batches.c.number == number)


def _parse(content: bytes) -> BatchContent:
    batch: BatchContent = orjson.loads(zlib.decompress(content))
    return batch


def store_skipped(session: Session, job_id: int, skipped: Mapping[str, str]) -> None:
    """Write `{document_id: reason}`."""
    rows = [{"job_id": job_id, "document_id": id_, "reason": reason} for id_, reason in skipped.items()]
    if rows:
        session.execute(insert(skipped_customers), rows)


def iter_skipped(job_id: int, limit: int | None = None) -> Iterator[tuple[str, str]]:
    """Yield (document_id, reason), ordered by document_id."""
    columns = (skipped_customers.c.document_id, skipped_customers.c.reason)
    query = select(*columns).where(skipped_customers.c.job_id == job_id).order_by(skipped_customers.c.document_id)
    for row in db.session.execute(query.limit(limit).execution_options(yield_per=1_000)):
        yield row.document_id, row.reason
