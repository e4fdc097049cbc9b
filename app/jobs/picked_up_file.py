"""A file that `flask segments pick-up` found: how it is read, and which earlier files came from the same folder."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from app.core.database import db
from app.jobs.jobs import Job
from app.jobs.states import JobKind


@dataclass(frozen=True)
class PickedUpFile:
    """Part of the payload of a job."""

    name: str
    """In `working/`, and later in `done/` or `failed/`."""
    folder: str
    encoding: str | None = None
    delimiter: str | None = None
    roles: list[str] | None = None
    clear_empty: bool = True
    sheet: str | None = None


DETECTED = PickedUpFile("", "")
"""A file that an API client sent: how it is written is detected."""


def earlier_change_sets(folder: str, moment: datetime) -> tuple[int, ...]:
    """Return the change sets of older files of the folder that were applied after `moment`, the time of a file.

    What they changed is older than the file, although it was changed later.
    """
    query = select(Job.change_set_id, Job.payload).where(
        Job.kind == JobKind.API,
        Job.source == "command",
        or_(Job.finished_at.is_(None), Job.finished_at > moment),
    )
    return tuple(
        change_set_id
        for change_set_id, payload in db.session.execute(query.order_by(Job.id))
        if change_set_id is not None
        and (payload.get("picked_up") or {}).get("folder") == folder
        and payload["moment"]
        and datetime.fromisoformat(payload["moment"]) <= moment
    )
