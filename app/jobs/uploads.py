"""Uploaded files and their rejected rows, stored in the database, where every process finds them."""

import io
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import IO, Any

from sqlalchemy import Engine, ForeignKey, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db, now, run_in_transaction
from app.jobs.batches import batches, skipped_customers
from app.jobs.jobs import Job
from app.jobs.states import RUNNING, JobState

CHUNK_SIZE = 1024 * 1024
"""Bytes of a file in a row."""

RETENTION = timedelta(days=30)
"""After this time the file and its rejected rows are deleted; the changes that it made stay in the history."""

UPLOAD_TIMEOUT = timedelta(days=1)

REJECTED_BATCH_SIZE = 1_000


class UploadChunk(Base):
    """Some bytes of a file, compressed."""

    __tablename__ = "upload_chunks"

    job_id: Mapped[int] = mapped_column(dialects.Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    compressed: Mapped[bytes]


class RejectedRow(Base):
    """A row of a file that could not be applied: its line, the reason, and its cells or text."""

    __tablename__ = "rejected_rows"

    job_id: Mapped[int] = mapped_column(dialects.Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(dialects.Id)
    error: Mapped[str]
    raw: Mapped[Any] = mapped_column(dialects.Json)


chunks, rejected_rows = UploadChunk.__table__, RejectedRow.__table__


def store_upload(job_id: int, file: IO[bytes]) -> int:
    """Store the file's bytes and return their number; a transaction a chunk, so that other writers get their turn.

    Raises Unavailable.
    """
    size = 0
    for number, content in enumerate(iter(lambda: file.read(CHUNK_SIZE), b"")):
        row = {"job_id": job_id, "number": number, "compressed": zlib.compress(content, 1)}
        run_in_transaction(lambda session, row=row: session.execute(insert(chunks).values(row)))  # type: ignore[misc]
        size += len(content)
    return size


class UploadReader(io.RawIOBase):
    """Reads a stored file from its beginning to its end."""

    def __init__(self, job_id: int, size: int, engine: Engine | None = None) -> None:
        self.job_id, self.size = job_id, size
        self._engine = engine or db.engine
        self._number, self._chunk, self._read = 0, memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._chunk:
            query = select(chunks.c.compressed).where(chunks.c.job_id == self.job_id, chunks.c.number == self._number)
            with self._engine.connect() as connection:
                compressed = connection.execute(query).scalar()
            self._number += 1
            self._chunk = memoryview(zlib.decompress(compressed) if compressed is not None else b"")
        count = min(len(buffer), len(self._chunk))
        buffer[:count] = self._chunk[:count]
        self._chunk = self._chunk[count:]
        self._read += count
        return count

    def tell(self) -> int:
        return self._read


def delete_expired_uploads() -> None:
    """Delete the files, rejected rows, batches and skipped customers of old, discarded and interrupted jobs.

    An old job that was never applied is discarded. Raises Unavailable.
    """
    oldest = now() - RETENTION
    is_old = and_(Job.created_at < oldest, or_(Job.apply_at.is_(None), Job.apply_at < oldest))
    abandoned = and_(Job.state == JobState.UPLOADING, Job.created_at < now() - UPLOAD_TIMEOUT)
    job_ids = select(Job.id).where(
        or_(and_(is_old, Job.state.not_in((*RUNNING, JobState.SCHEDULED))), Job.state == JobState.DISCARDED, abandoned)
    )
    unused = update(Job).where(is_old, Job.state.in_((JobState.DRAFT, JobState.READY)))

    def work(session: Session) -> None:
        session.execute(unused.values(state=JobState.DISCARDED), execution_options={"synchronize_session": False})
        for table in (chunks, rejected_rows, batches, skipped_customers):
            session.execute(delete(table).where(table.c.job_id.in_(job_ids)))

    run_in_transaction(work)


def has_upload(job_id: int) -> bool:
    return db.session.scalar(select(chunks.c.number).where(chunks.c.job_id == job_id).limit(1)) is not None


# Rejected rows


def store_rejected(session: Session, job_id: int, rejected: Iterable[tuple[int, str, Any]]) -> None:
    """Write (line, error, raw row), replacing those of an earlier reading."""
    session.execute(delete(rejected_rows).where(rejected_rows.c.job_id == job_id))
    rows = (
        {"job_id": job_id, "number": number, "line": line, "error": error, "raw": raw}
        for number, (line, error, raw) in enumerate(rejected)
    )
    while batch := list(islice(rows, REJECTED_BATCH_SIZE)):
        session.execute(insert(rejected_rows), batch)


def iter_rejected(job_id: int, limit: int | None = None) -> Iterator[tuple[int, str, Any]]:
    """Yield (line, error, raw row) in the order of the file, streamed."""
    query = (
        select(rejected_rows.c.line, rejected_rows.c.error, rejected_rows.c.raw)
        .where(rejected_rows.c.job_id == job_id)
        .order_by(rejected_rows.c.number)
    )
    for row in db.session.execute(query.limit(limit).execution_options(yield_per=REJECTED_BATCH_SIZE)):
        yield row.line, row.error, row.raw
