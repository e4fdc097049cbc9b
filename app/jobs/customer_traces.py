"""What jobs keep of customers, erased and disclosed with the customers: contract §8."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import and_, delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.traces import Traces
from app.files.redaction import texts_of
from app.jobs.batches import batches, content_values, load_batch, skipped_customers
from app.jobs.file_traces import erase_from_file, iter_rows_about
from app.jobs.jobs import jobs
from app.jobs.states import JobState
from app.jobs.uploads import chunks, rejected_rows

ENDED = (JobState.DONE, JobState.DISCARDED)
"""The states after which no file and no batch is read again."""


def erase_from_jobs(session: Session, traces: Traces) -> None:
    """Delete what jobs keep of erased customers: skipped customers, rejected rows, rows of files, batches and previews.

    Files and batches of all ended jobs are deleted as a whole, and so are batches that were applied: they are of no
    further use. Jobs that have not ended go on without these customers.
    """
    ended = select(jobs.c.id).where(jobs.c.state.in_(ENDED))
    for table in (chunks, batches):
        session.execute(delete(table).where(table.c.job_id.in_(ended)))
    applied = select(jobs.c.batches_done).where(jobs.c.id == batches.c.job_id).scalar_subquery()
    session.execute(delete(batches).where(batches.c.number < applied))
    _delete_rejected_rows(session, traces)
    _rewrite_batches(session, traces)
    # After the batches: a job that skips customers at this moment holds its batch, and what it has skipped is seen now.
    ids = select(dialects.json_strings(sorted(traces.ids)).c.value)
    session.execute(delete(skipped_customers).where(skipped_customers.c.document_id.in_(ids)))
    for job_id in session.scalars(select(chunks.c.job_id).distinct().order_by(chunks.c.job_id)).all():
        erase_from_file(session, job_id, traces)
    _rewrite_jobs(session, traces)


def disclose_from_jobs(session: Session, traces: Traces) -> list[dict[str, Any]]:
    """Return what each job keeps of a customer."""
    found: dict[int, dict[str, Any]] = {}
    for job_id, name, item in _iter_kept(session, traces):
        found.setdefault(job_id, {"job": str(job_id)}).setdefault(name, []).append(item)
    return [found[job_id] for job_id in sorted(found)]


def _iter_kept(session: Session, traces: Traces) -> Iterator[tuple[int, str, Any]]:
    """Yield (job, name of the collection, item) for all that jobs keep of a customer."""
    ids = select(dialects.json_strings(sorted(traces.ids)).c.value)
    skipped = select(skipped_customers).where(skipped_customers.c.document_id.in_(ids))
    for row in session.execute(skipped.order_by(skipped_customers.c.job_id)):
        yield row.job_id, "skipped", {"document_id": row.document_id, "reason": row.reason}
    for row in _iter_rejected(session, traces):
        yield row.job_id, "rejectedRows", row.raw
    for job_id, number in _batches_about(session, traces):
        batch = load_batch(session, job_id, number)
        for document_id in traces.ids & batch.keys():
            yield job_id, "changes", {"document_id": document_id, "content": batch[document_id]}
    for job_id in session.scalars(select(chunks.c.job_id).distinct().order_by(chunks.c.job_id)).all():
        for texts in iter_rows_about(session, job_id, traces):
            yield job_id, "fileRows", texts
    for job_id, *columns in session.execute(select(jobs.c.id, jobs.c.payload, jobs.c.preview).order_by(jobs.c.id)):
        for item in (item for value in columns for item in _iter_about(value, traces)):
            yield job_id, "selectedOrPreviewed", item


def _batches_about(session: Session, traces: Traces) -> list[tuple[int, int]]:
    """Return the job and number of each batch that may contain one of the customers, by its range of ids.

    Reading them all would take each batch of a large revert that deletes customers longer than the one before.
    """
    first, last = min(traces.ids, default=""), max(traces.ids, default="")
    has_no_range = batches.c.first_id.is_(None)  # stored by an earlier version
    in_range = and_(batches.c.first_id <= last, batches.c.last_id >= first)
    query = select(batches.c.job_id, batches.c.number).where(or_(has_no_range, in_range))
    rows = session.execute(query.order_by(batches.c.job_id, batches.c.number))
    return [(job_id, number) for job_id, number in rows]


def _rewrite_batches(session: Session, traces: Traces) -> None:
    for job_id, number in _batches_about(session, traces):
        batch = load_batch(session, job_id, number)
        kept = {id_: content for id_, content in batch.items() if id_ not in traces.ids}
        if len(kept) < len(batch):
            this = (batches.c.job_id == job_id, batches.c.number == number)
            session.execute(update(batches).where(*this).values(content_values(kept)))


def _rewrite_jobs(session: Session, traces: Traces) -> None:
    """Remove the customers from the selections, samples and previews of jobs."""
    for job_id, *columns in session.execute(select(jobs.c.id, jobs.c.payload, jobs.c.preview)).all():
        kept = [_without(value, traces) for value in columns]
        if kept != columns:
            session.execute(update(jobs).where(jobs.c.id == job_id).values(payload=kept[0], preview=kept[1]))


def _without(value: Any, traces: Traces) -> Any:
    """Return JSON without the ids, and without the objects and rows about the customers, in its lists."""
    if isinstance(value, dict):
        return {name: _without(content, traces) for name, content in value.items()}
    if not isinstance(value, list):
        return value
    return [_without(item, traces) for item in value if not _is_about(item, traces)]


def _iter_about(value: Any, traces: Traces) -> Iterator[Any]:
    """Yield what `_without` removes."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(value, list) and _is_about(item, traces):
            yield item
        else:
            yield from _iter_about(item, traces)


def _is_about(item: Any, traces: Traces) -> bool:
    if isinstance(item, dict):
        return item.get("document_id") in traces.ids
    if isinstance(item, list):  # a row of a file
        return any(isinstance(cell, str) and (traces.names(cell) or _mentions(cell, traces)) for cell in item)
    return isinstance(item, str) and item in traces.ids


def _delete_rejected_rows(session: Session, traces: Traces) -> None:
    for row in list(_iter_rejected(session, traces)):
        this = tuple_(rejected_rows.c.job_id, rejected_rows.c.number) == tuple_(row.job_id, row.number)
        session.execute(delete(rejected_rows).where(this))


def _iter_rejected(session: Session, traces: Traces) -> Iterator[Any]:
    """Yield the rejected rows that have an id of a customer, or a value of their profile, in one of their cells."""
    columns = (rejected_rows.c.job_id, rejected_rows.c.number, rejected_rows.c.raw)
    query = select(*columns).order_by(*columns[:2]).execution_options(yield_per=1_000)
    return (row for row in session.execute(query) if _is_rejected_about(row.raw, traces))


def _is_rejected_about(raw: Any, traces: Traces) -> bool:
    return _is_about(raw, traces) if isinstance(raw, list) else _mentions(str(raw), traces)


def _mentions(line: str, traces: Traces) -> bool:
    """Return whether a line, which may be broken JSON or CSV, has one of the texts as a word or between quotes."""
    return any(map(traces.names, texts_of(line)))
