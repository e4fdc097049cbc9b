"""What jobs keep of customers, erased with the customers: contract §8."""

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from app.core import dialects
from app.jobs.batches import batches, compress_batch, load_batch, skipped_customers
from app.jobs.jobs import jobs
from app.jobs.states import JobState
from app.jobs.uploads import chunks, rejected_rows

ENDED = (JobState.DONE, JobState.DISCARDED)
"""The states after which no file and no batch is read again."""

MIN_SEARCHED_LENGTH = 6
"""Characters of an id that is searched within a text: shorter ones are part of other customers' rows."""


def erase_from_jobs(session: Session, document_ids: Collection[str]) -> None:
    """Delete what jobs keep of erased customers: skipped customers, rejected rows, files, batches and previews.

    Files and batches of all ended jobs are deleted as a whole: they are of no further use. Jobs that have not ended go
    on without these customers.
    """
    ids = select(dialects.json_strings(list(document_ids)).c.value)
    session.execute(delete(skipped_customers).where(skipped_customers.c.document_id.in_(ids)))
    ended = select(jobs.c.id).where(jobs.c.state.in_(ENDED))
    for table in (chunks, batches):
        session.execute(delete(table).where(table.c.job_id.in_(ended)))
    _delete_rejected_rows(session, set(document_ids))
    _rewrite_batches(session, set(document_ids))
    _rewrite_jobs(session, set(document_ids))


def _rewrite_batches(session: Session, document_ids: set[str]) -> None:
    query = select(batches.c.job_id, batches.c.number).order_by(batches.c.job_id, batches.c.number)
    for job_id, number in session.execute(query).all():
        batch = load_batch(session, job_id, number)
        kept = {id_: content for id_, content in batch.items() if id_ not in document_ids}
        if len(kept) < len(batch):
            this = (batches.c.job_id == job_id, batches.c.number == number)
            session.execute(update(batches).where(*this).values(compressed=compress_batch(kept)))


def _rewrite_jobs(session: Session, document_ids: set[str]) -> None:
    """Remove the ids from the selections and previews of jobs."""
    for job_id, *columns in session.execute(select(jobs.c.id, jobs.c.payload, jobs.c.preview)).all():
        kept = [_without(value, document_ids) for value in columns]
        if kept != columns:
            session.execute(update(jobs).where(jobs.c.id == job_id).values(payload=kept[0], preview=kept[1]))


def _without(value: Any, document_ids: set[str]) -> Any:
    """Return JSON without the ids and the objects about them in its lists."""
    if isinstance(value, dict):
        return {name: _without(content, document_ids) for name, content in value.items()}
    if not isinstance(value, list):
        return value
    return [_without(item, document_ids) for item in value if not _is_about(item, document_ids)]


def _is_about(item: Any, document_ids: set[str]) -> bool:
    id_ = item.get("document_id") if isinstance(item, dict) else item
    return isinstance(id_, str) and id_ in document_ids


def _delete_rejected_rows(session: Session, document_ids: set[str]) -> None:
    columns = (rejected_rows.c.job_id, rejected_rows.c.number)
    query = select(*columns, rejected_rows.c.raw).execution_options(yield_per=1_000)
    keys = [[row.job_id, row.number] for row in session.execute(query) if _mentions(row.raw, document_ids)]
    for key in keys:
        session.execute(delete(rejected_rows).where(tuple_(*columns) == tuple_(*key)))


def _mentions(raw: Any, document_ids: set[str]) -> bool:
    """Return whether the cells of a row, or the text of a line, contain one of the ids."""
    if isinstance(raw, list):
        return any(str(cell).strip() in document_ids for cell in raw)
    text = str(raw)
    return any(
        orjson.dumps(id_).decode() in text or (len(id_) >= MIN_SEARCHED_LENGTH and id_ in text) for id_ in document_ids
    )
