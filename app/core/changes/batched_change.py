"""One change set written in several transactions of a bounded size, its parts.

Writers wait for one batch at most, and the planner sees the rows of the batches before. The change set is reserved by
the first batch that changes anything: a file in which nothing changes leaves no change set.

A job holds its change set by its own lease. A command renews one in each batch: if it is killed, the change set soon
ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import ChangeSetBuilder, open_change_set, open_part, reserve_change_set
from app.core.errors import Conflict
from app.core.models.change_sets import APPLYING, CANCELLED, DONE, Actor, ChangeSet

LEASE = timedelta(minutes=1)
"""The longest time between two batches of a command, waiting for locks included."""


class EndedMeanwhile(Conflict):
    code = "CHANGE_SET_ENDED"
    explanation = "The change was ended, because nothing was applied for a minute."


@dataclass(frozen=True)
class BatchedChange:
    """A change set in the making, between two of its batches."""

    actor: Actor
    note: str | None = None
    reverts: int | None = None
    change_set_id: int | None = None
    """None as long as nothing was changed."""
    unchanged: int = 0
    """Unchanged customers of the batches before the change set was reserved."""
    is_leased: bool = False
    """Whether each batch renews the lease of the change set, as a command does."""


@dataclass
class Batch:
    """One batch; `change_set_id` and `unchanged` are valid after its block."""

    part: ChangeSetBuilder
    change_set_id: int | None = None
    unchanged: int = 0


@contextmanager
def open_batch(session: Session, change: BatchedChange, *, is_only: bool, is_last: bool) -> Iterator[Batch]:
    """Open the next batch in this transaction; the last one ends the change set. Raises EndedMeanwhile."""
    if is_only:
        with open_change_set(session, change.actor, note=change.note, reverts=change.reverts) as part:
            batch = Batch(part)
            yield batch
        batch.change_set_id = part.id if part.has_changes else None
        return
    reserved = change.change_set_id or reserve_change_set(
        session, change.actor, note=change.note, reverts=change.reverts
    )
    if change.is_leased:
        _renew_lease(session, reserved)
    with open_part(session, reserved, change.actor, state=DONE if is_last else APPLYING) as part:
        batch = Batch(part)
        yield batch
        is_recorded = bool(change.change_set_id) or part.has_changes
        if is_recorded:
            part.unchanged += change.unchanged
        else:
            batch.unchanged = change.unchanged + part.unchanged
            part.unchanged, part.state = 0, APPLYING  # so that no part is written
    if is_recorded:
        batch.change_set_id = reserved
    else:
        session.execute(delete(ChangeSet).where(ChangeSet.id == reserved))


def end_early(session: Session, change: BatchedChange) -> None:
    """End the change set after the batches that were applied: it is `cancelled`, and can be reverted.

    One that has ended already stays as it is.
    """
    query = select(ChangeSet.state).where(ChangeSet.id == change.change_set_id)
    if change.change_set_id and session.scalar(query.with_for_update()) == APPLYING:
        with open_part(session, change.change_set_id, change.actor, state=CANCELLED):
            pass


def _renew_lease(session: Session, change_set_id: int) -> None:
    """Say that the change set is being applied, and lock it until the batch is committed. Raises EndedMeanwhile."""
    until = dialects.database_time(LEASE.total_seconds())
    renewed = update(ChangeSet).where(ChangeSet.id == change_set_id, ChangeSet.state == APPLYING)
    options = {"synchronize_session": False}
    if not session.execute(renewed.values(leased_until=until), execution_options=options).rowcount:  # type: ignore[attr-defined]
        raise EndedMeanwhile("Nothing was applied for a minute, so the change was ended. Run the command again.")
