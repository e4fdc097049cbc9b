"""What jobs keep of customers, erased with the customers: contract §8."""

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from app.core import dialects
from app.jobs.batches import batches, skipped_customers
from app.jobs.jobs import jobs
from app.jobs.states import JobState
from app.jobs.uploads import chunks, rejected_rows

ENDED = (JobState.DONE, JobState.DISCARDED)
"""The states after which no file and no batch is read again."""

MIN_SEARCHED_LENGTH = 6
"""Characters of an id that is searched within a text: shorter ones are part of other customers' rows."""


def erase_from_jobs(session: Session, document_ids: Collection[str]) -> None:
    """Delete what jobs keep of erased customers: skipped customers, rejected rows, files and batches of ended jobs.

    Files and batches of all ended jobs are deleted as a whole: they are compressed, and of no further use.
    """
    ids = select(dialects.json_strings(list(document_ids)).c.value)
    session.execute(delete(skipped_customers).where(skipped_customers.c.document_id.in_(ids)))
    ended = select(jobs.c.id).where(jobs.c.state.in_(ENDED))
    for table in (chunks, batches):
        session.execute(delete(table).where(table.c.job_id.in_(ended)))
    _delete_rejected_rows(session, set(document_ids))


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
