"""From which lines of a file a change of a customer came, for as long as the batches of the import are kept."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, or_, select

from app.core.database import db
from app.core.models.change_sets import ChangeSet
from app.jobs.batches import batches, load_batch
from app.jobs.jobs import jobs

_NOTE = re.compile(r"Import ([0-9]{1,18}): ")
"""How the note of an import begins, see `app.jobs.imports`."""

_Named = tuple[int, int, str]
"""A job that a note names, its change set, and the customer's id in it."""


def import_lines(changes: Mapping[ChangeSet, str]) -> dict[int, list[int]]:
    """Return `{change_set_id: lines}` of those change sets that are imports; `changes` has the customer's id in each.

    A change set says in its note which job it is, so that no index is needed. A batch has the lines of its customers:
    of changes at once, by a command or the API, none are stored.
    """
    named: list[_Named] = [
        (int(match[1]), change_set.id, document_id)
        for change_set, document_id in changes.items()
        if (match := _NOTE.match(change_set.note or ""))
    ]
    ids = {change_set_id: document_id for _job_id, change_set_id, document_id in named}
    found = {}
    for job_id, number, change_set_id in _batches_of(named):
        item = load_batch(db.session(), job_id, number).get(ids[change_set_id])
        if item and item.get("lines"):
            found[change_set_id] = item["lines"]
    return found


def _batches_of(named: list[_Named]) -> list[Any]:
    """Return (job, number of the batch, change set) where the customer may be."""
    if not named:
        return []
    in_range = [
        and_(
            jobs.c.id == job_id, jobs.c.change_set_id == id_, batches.c.first_id <= own_id, batches.c.last_id >= own_id
        )
        for job_id, id_, own_id in named
    ]
    query = select(jobs.c.id, batches.c.number, jobs.c.change_set_id).join(batches, batches.c.job_id == jobs.c.id)
    return list(db.session.execute(query.where(or_(*in_range)).order_by(jobs.c.id, batches.c.number)))
