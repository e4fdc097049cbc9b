"""The rows about some customers in the uploaded files of jobs."""

import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from app.core.changes.traces import Traces
from app.core.limits import MAX_UNCOMPRESSED_BYTES
from app.files.formats import FileFormat, KnownFormat, UnreadableFile
from app.files.reading import open_plain
from app.files.redaction import rows_without
from app.jobs.jobs import RESET_PROGRESS, Job, jobs
from app.jobs.states import JobState
from app.jobs.uploads import CHUNK_SIZE, chunks

SPOOL_SIZE = 16 * CHUNK_SIZE
"""Bytes of a file in memory; the rest of a larger one is on disk."""


class _Finder:
    """Decides which rows are about customers, and keeps them.

    A row with the id of another customer is that customer's, also if they share a phone.
    """

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self.found: list[list[str]] = []

    def __call__(self, document_id: str | None, texts: list[str]) -> bool:
        is_about = document_id in self._traces.ids if document_id else any(map(self._traces.names, texts))
        if is_about:
            self.found.append(texts)
        return is_about


def erase_from_file(session: Session, job_id: int, traces: Traces) -> None:
    """Write the file of a job anew without the rows about customers. A worker that reads it starts again.

    A file that cannot be read is deleted, and its job is discarded: whom it is about is not known. So is a workbook
    with such a row, because it cannot be written anew as it was. A file that is still being uploaded is left alone.
    """
    job = session.get_one(Job, job_id, populate_existing=True)
    if job.state == JobState.UPLOADING:
        return
    finder, this_job = _Finder(traces), update(jobs).where(jobs.c.id == job_id)
    with SpooledTemporaryFile(SPOOL_SIZE) as content:
        try:
            content.writelines(_iter_remaining(session, job, finder))
        except UnreadableFile:
            session.execute(delete(chunks).where(chunks.c.job_id == job_id))
            if job.state in (JobState.DRAFT, JobState.FAILED):
                session.execute(this_job.values(state=JobState.DISCARDED))
            return
        if not finder.found:
            return
        size = content.tell()
        content.seek(0)
        _replace_chunks(session, job_id, iter(lambda: content.read(CHUNK_SIZE), b""))
    values: dict[str, Any] = {"payload": {**job.payload, "size": size}}
    if job.state == JobState.CHECKING:
        values |= RESET_PROGRESS
    session.execute(this_job.values(values))


def _replace_chunks(session: Session, job_id: int, contents: Iterator[bytes]) -> None:
    session.execute(delete(chunks).where(chunks.c.job_id == job_id))
    for number, content in enumerate(contents):
        session.execute(insert(chunks).values(job_id=job_id, number=number, compressed=zlib.compress(content, 1)))


def iter_rows_about(session: Session, job_id: int, traces: Traces) -> Iterator[list[str]]:
    """Yield the texts of the rows about customers in the file of a job, as far as the file can be read."""
    finder = _Finder(traces)
    with suppress(UnreadableFile):
        for _ in _iter_remaining(session, session.get_one(Job, job_id), finder):
            yield from finder.found
            finder.found.clear()
    yield from finder.found


def _iter_remaining(session: Session, job: Job, finder: _Finder) -> Iterator[bytes]:
    written = {**(job.payload.get("picked_up") or {}), **job.payload}
    format_, raw = written.get("format"), _StoredFile(session, job.id)
    with open_plain(
        raw,
        format_ and FileFormat(**format_),
        known=KnownFormat(written.get("encoding"), written.get("delimiter"), written.get("sheet")),
        max_uncompressed=MAX_UNCOMPRESSED_BYTES,
    ) as (plain, format_):
        yield from rows_without(plain, format_, written.get("roles"), finder)


class _StoredFile(io.RawIOBase):
    """Reads the stored chunks of a file within a transaction."""

    def __init__(self, session: Session, job_id: int) -> None:
        self._session, self._job_id = session, job_id
        self._number, self._chunk = 0, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._chunk:
            query = select(chunks.c.compressed).where(chunks.c.job_id == self._job_id, chunks.c.number == self._number)
            self._chunk = zlib.decompress(self._session.scalar(query) or zlib.compress(b""))
            self._number += 1
        count = min(len(buffer), len(self._chunk))
        buffer[:count], self._chunk = self._chunk[:count], self._chunk[count:]
        return count
