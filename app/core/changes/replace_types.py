"""Replace the segments of some types only, and leave those of other types in their places (contract §8)."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.guard import Guard
from app.core.changes.replace_segments import ReplaceResult, replace_segments_in
from app.core.changes.segment_updates import AsOf, PreparedUpdate
from app.core.history.segment_diff import merge_types
from app.core.models.change_sets import Actor
from app.core.models.customers import Customer, select_segments
from app.core.models.segments import Segments


def replace_types(  # noqa: PLR0913 - the extras of the contract, all by name
    payload: Mapping[str, Segments],
    types: Collection[str],
    actor: Actor,
    *,
    as_of: AsOf = None,
    guard: Guard | None = None,
    note: str | None = None,
    session: Session,
) -> ReplaceResult:
    """Replace the segments of these `types` of each customer in `payload`, as part of a transaction.

    The guard counts the customers who lose all their segments of these types. Raises ChangeTooLarge.
    """
    current = lock_segments(session, payload)
    merged = {id_: merge_types(current.get(id_, []), new, types) for id_, new in payload.items()}
    with open_change_set(session, actor, note=note) as change_set:
        change_set.counted_types = types if guard else ()
        result = replace_segments_in(change_set, PreparedUpdate.of(merged), as_of=as_of)
        result = replace(result, emptied=change_set.emptied)
        if guard:
            guard.check(change_set.emptied, len(payload), replace(result, change_set_id=None))
    return result


def lock_segments(session: Session, document_ids: Collection[str]) -> dict[str, Segments]:
    """Return the segments of the customers, whom no other transaction changes until this one ends."""
    query = select_segments(document_ids).order_by(Customer.document_id)
    return {row.document_id: row.segments for row in dialects.fetch_locked(session, query, Customer.__table__)}
