"""Retention: removes old entries of the record, without touching the customers as they are."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.counts.segment_counts import SegmentCount
from app.core.counts.segment_deltas import SegmentDelta
from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import ChangeSet, ChangeSetPart, RetentionHorizon
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import Customer

BATCH_SIZE = 10_000
"""Entries removed in one transaction, about: other writers get their turn in between."""

DELETION_RETENTION = timedelta(days=30)
"""Contract §8."""

sets, parts, entries = ChangeSet.__table__.c, ChangeSetPart.__table__.c, CustomerChange.__table__.c


def prune(until: datetime) -> tuple[int, int]:
    """Remove the parts made before a moment, oldest first; return the numbers of change sets and entries removed.

    Only from the feed's beginning, so that what remains has no holes: a part from before `until` stays while one ahead
    of it in the feed is not older. Each batch records how far it went; after an interruption the next call continues.

    Raises Unavailable.
    """
    change_sets = changes = 0
    settled = dialects.settled_position(db.session())  # no position below it can still be taken
    while done := run_in_transaction(lambda session: _prune_batch(session, until, settled)):
        change_sets += done[0]
        changes += done[1]
    run_in_transaction(_delete_remains)
    return change_sets, changes


def remove_old_deletions() -> int:
    """Remove entries `deleted` older than DELETION_RETENTION, and return how many. Raises Unavailable."""
    old = select(parts.id).where(parts.deletions > 0, parts.at < now() - DELETION_RETENTION)
    if db.session.scalar(old.limit(1)) is None:
        return 0

    def work(session: Session) -> int:
        ids = list(session.scalars(old.order_by(parts.id).limit(BATCH_SIZE)))
        removed = session.execute(delete(CustomerChange).where(entries.part_id.in_(ids), entries.kind == "deleted"))
        session.execute(update(ChangeSetPart).where(parts.id.in_(ids)).values(deletions=0))
        return int(removed.rowcount)  # type: ignore[attr-defined]

    return run_in_transaction(work)


def _prune_batch(session: Session, until: datetime, settled: int) -> tuple[int, int] | None:
    old = _oldest(session, until, settled)
    if not old:
        return None
    last = old[-1]
    last_number = session.scalar(select(func.max(entries.number)).where(entries.part_id == last.id))
    changes = session.execute(delete(CustomerChange).where(entries.part_id.in_([part.id for part in old])))
    change_sets = session.execute(delete(ChangeSet).where(sets.position <= last.position))
    horizon = session.get(RetentionHorizon, 1) or RetentionHorizon(id=1, until=last.at)
    horizon.until = max(horizon.until, *(part.at for part in old))
    horizon.position, horizon.last_number, horizon.tag = last.position, last_number or 0, last.tag
    session.add(horizon)
    return change_sets.rowcount, changes.rowcount  # type: ignore[attr-defined]


def _oldest(session: Session, until: datetime, settled: int) -> list[ChangeSetPart]:
    """Return the first parts that are old enough, with BATCH_SIZE entries at most, or one part that has more."""
    done = select(func.coalesce(func.max(RetentionHorizon.position), 0)).scalar_subquery()
    ahead = parts.position > done
    first_to_keep = session.scalar(select(func.min(parts.position)).where(parts.at >= until, ahead))
    end = settled + 1 if first_to_keep is None else min(first_to_keep, settled + 1)
    query = select(ChangeSetPart).where(ahead, parts.position < end).order_by(parts.position).limit(BATCH_SIZE)
    old: list[ChangeSetPart] = []
    changes = 0
    for part in session.scalars(query):
        changes += part.entries
        if old and changes > BATCH_SIZE:
            break
        old.append(part)
    return old


def _delete_remains(session: Session) -> None:
    """Delete what belongs to removed parts: the parts that no customer refers to, and their count deltas.

    Counts that were being compacted meanwhile are found by the next call.
    """
    horizon = session.get(RetentionHorizon, 1)
    if horizon is None:
        return
    pruned = parts.position <= horizon.position
    # Found first and removed by their ids: Citus cannot do it in one statement, and to read is most of the work.
    old = _ids(session, _not_retained(SegmentDelta, pruned))
    session.execute(delete(SegmentDelta).where(SegmentDelta.part_id.in_(old)))
    old = _ids(session, _not_retained(SegmentCount, pruned))
    session.execute(update(SegmentCount).where(SegmentCount.part_id.in_(old)).values(part_id=None))
    referred = select(parts.id).join(Customer, Customer.part_id == parts.id).where(pruned)
    unused = select(parts.id).where(pruned).except_(referred)
    session.execute(delete(ChangeSetPart).where(parts.id.in_(_ids(session, unused))))


def _not_retained(table: type[SegmentDelta | SegmentCount], pruned: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the parts that rows of a table name, and that are pruned or gone."""
    query = select(table.part_id).distinct().outerjoin(ChangeSetPart, parts.id == table.part_id)
    return query.where(table.part_id.is_not(None), or_(parts.id.is_(None), pruned))


def _ids(session: Session, query: Select[Any] | CompoundSelect[Any]) -> Select[Any]:
    """Return the numbers that a query finds, as a query of one parameter."""
    found = [str(number) for number in session.scalars(query)]
    return select(cast(dialects.json_strings(found).c.value, dialects.Id))
