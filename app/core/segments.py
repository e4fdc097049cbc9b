"""The rule of the product: one function replaces segments, and leaves one change set behind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, false, insert, or_, select, true, update
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes import Actor, ChangeSet, SegmentChange
from app.core.counts import Movements, append, compact_when_due
from app.core.customers import Customer, Segments
from app.core.database import in_transaction, now

customers = Customer.__table__


@dataclass(frozen=True)
class Outcome:
    """What became of the customers asked for; the lists in the order in which they were asked for."""

    changed: int
    unchanged: int
    not_found: list[str]
    stale: list[str]
    change_set_id: int | None = None
    """None when nothing changed: then nothing was recorded either."""


@dataclass
class Recording:
    """A change set in the making: everything recorded in it is committed together, or not at all."""

    session: Session
    actor: Actor
    note: str | None
    id: int
    at: datetime
    changed: int = 0
    unchanged: int = 0
    movements: Movements = field(default_factory=Movements)


def replace_segments(
    wanted: Mapping[str, Segments], actor: Actor, *, as_of: datetime | None = None, dry_run: bool = False
) -> Outcome:
    """Give each customer in `wanted`, `{document_id: segments}`, exactly those segments: contract §1.

    All of it happens in one transaction, or none. Customers are never created; those changed after `as_of` are left
    alone (contract §2). A `dry_run` does everything as it would be done, and takes it back.

    Raises Unavailable when the database is away or busy.
    """

    def work(session: Session) -> Outcome:
        with recording(session, actor) as change_set:
            return replace_in(change_set, wanted, as_of=as_of)

    outcome = in_transaction(work, keep=not dry_run)
    if outcome.change_set_id and not dry_run:
        compact_when_due(outcome.change_set_id)
    return outcome


@contextmanager
def recording(session: Session, actor: Actor, *, note: str | None = None) -> Iterator[Recording]:
    """Open a change set in this transaction; written at the end, if anything was changed."""
    number = session.scalars(select(dialects.next_change_set_id())).one()
    change_set = Recording(session, actor, note, number, now())
    yield change_set
    if change_set.changed:
        session.execute(
            insert(ChangeSet.__table__).values(
                id=change_set.id,
                transaction_number=dialects.transaction_number(),
                at=change_set.at,
                actor=actor.name,
                source=actor.source,
                note=note,
                changed=change_set.changed,
                unchanged=change_set.unchanged,
            )
        )
        append(session, change_set.at.date(), actor.name, change_set.id, change_set.movements.deltas())


def replace_in(change_set: Recording, wanted: Mapping[str, Segments], *, as_of: datetime | None = None) -> Outcome:
    """Replace segments as part of an open change set; a file's batches, each with customers of its own, share one.

    Customers who hold what is wanted already are not written: no row, no history, no index work.
    """
    sent = dialects.entries(wanted)
    stale = customers.c.changed_at > as_of if as_of else false()
    changes = (
        update(customers)
        .where(
            customers.c.document_id == sent.c.key,
            customers.c.segments.is_distinct_from(sent.c.value),
            or_(customers.c.changed_at.is_(None), customers.c.changed_at <= as_of) if as_of else true(),
        )
        .values(
            segments=sent.c.value,
            previous_segments=customers.c.segments,
            changed_at=change_set.at,
            change_set_id=change_set.id,
            previous_change_set_id=customers.c.change_set_id,
        )
    )
    changed = dialects.update_and_record(change_set.session, changes, returning=HISTORY, into=SegmentChange.__table__)
    change_set.movements.add([before for _, before, _ in changed], [after for _, _, after in changed])
    outcome = _outcome(change_set, wanted, {document_id for document_id, _, _ in changed}, stale)
    change_set.changed += outcome.changed
    change_set.unchanged += outcome.unchanged
    return outcome


HISTORY: dict[str, ColumnElement[Any]] = {
    "change_set_id": customers.c.change_set_id,
    "document_id": customers.c.document_id,
    "before": customers.c.previous_segments,
    "after": customers.c.segments,
    "previous_change_set_id": customers.c.previous_change_set_id,
}
"""The columns of `segment_changes`, as an updated row of `customers` tells them."""


def _outcome(
    change_set: Recording, wanted: Mapping[str, Segments], changed: set[str], stale: ColumnElement[bool]
) -> Outcome:
    """Tell apart those who were not changed: already as wanted, changed too recently, or not there at all."""
    rest = [document_id for document_id in wanted if document_id not in changed]
    found: dict[str, bool] = {}
    if rest:
        query = select(customers.c.document_id, stale).where(
            customers.c.document_id.in_(select(dialects.texts(rest).c.value))
        )
        found = {document_id: bool(is_stale) for document_id, is_stale in change_set.session.execute(query)}
    stale_ids = [document_id for document_id in rest if found.get(document_id)]
    return Outcome(
        changed=len(changed),
        unchanged=len(found) - len(stale_ids),
        not_found=[document_id for document_id in rest if document_id not in found],
        stale=stale_ids,
        change_set_id=change_set.id if changed else None,
    )
