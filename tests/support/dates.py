"""Moments of change sets, set to the past."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.database import run_in_transaction
from app.core.models.change_sets import ChangeSet, ChangeSetPart


def date(change_set_id: int, at: datetime) -> None:
    """Date a change set of one part."""

    def work(session: Session) -> None:
        session.execute(update(ChangeSet).where(ChangeSet.id == change_set_id).values(at=at))
        session.execute(update(ChangeSetPart).where(ChangeSetPart.change_set_id == change_set_id).values(at=at))

    run_in_transaction(work)
