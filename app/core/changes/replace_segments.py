"""The rule of the product: one function replaces segments, and every call leaves one change set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder, open_change_set
from app.core.changes.guard import Guard
from app.core.changes.segment_updates import (
    AsOf,
    MomentExcept,
    Parameters,
    PreparedUpdate,
    SegmentPatch,
    SegmentUpdate,
    as_of_parameters,
    build_update,
    select_missing_or_stale,
    select_over_limit,
    select_recent,
    staleness_check,
)
from app.core.database import now, run_in_transaction
from app.core.models.change_sets import Actor
from app.core.models.segment_limit import segment_limit
from app.core.models.segments import Segments

MAX_DISTINCT_STATES = 50_000
"""Distinct lists of segments whose count deltas are held in memory; a large file may have one per customer."""

RECENT = timedelta(seconds=10)
"""Longer than the time between the moment of a part and the commit of its transaction."""

MAX_RERUNS = 3


@dataclass(frozen=True)
class ReplaceResult:
    """What became of the customers requested; the lists in the order of the request."""

    changed: int
    unchanged: int
    not_found: list[str]
    stale: list[str]
    change_set_id: int | None = None
    """None when nothing changed: then nothing is recorded either."""
    emptied: int = 0
    """Customers who lost all their segments, or all of those that the guard counts."""
    too_many: list[str] = field(default_factory=list)
    """Customers who were left alone: they would have more segments than MAX_SEGMENTS_PER_CUSTOMER."""


def replace_segments(  # noqa: PLR0913 - one function for everything that the contract's §1 and §2 say of a request
    payload: Mapping[str, Segments] | Mapping[str, SegmentPatch] | PreparedUpdate,
    actor: Actor,
    *,
    as_of: AsOf = None,
    note: str | None = None,
    guard: Guard | None = None,
    dry_run: bool = False,
    limited: bool = True,
    session: Session | None = None,
) -> ReplaceResult:
    """Replace the segments of each customer in `payload`, `{document_id: segments}`: contract §1.

    One transaction: all of it is committed, or none. Customers are never created. Customers changed after `as_of`, a
    moment, a place in the feed or the version of one customer, are left alone (contract §2). A `SegmentPatch` in place
    of segments adds and removes instead; a `PreparedUpdate` is the same in less memory. A `dry_run` is rolled back.
    With a `session` it is part of that transaction, which the caller commits. An undo is not `limited` in how many
    segments a customer may have.

    Raises ChangeTooLarge, if there is a `guard`, and Unavailable when the database is away or busy.
    """

    prepared = payload if isinstance(payload, PreparedUpdate) else PreparedUpdate.of(payload)

    def work(session: Session) -> ReplaceResult:
        with open_change_set(session, actor, note=note) as change_set:
            change_set.counted_types = guard.types if guard else ()
            result = replace_segments_in(change_set, prepared, as_of=as_of, limited=limited)
            result = replace(result, emptied=change_set.emptied)
            if guard:
                guard.check(change_set.emptied, len(prepared.document_ids), replace(result, change_set_id=None))
        return result

    if session is not None:
        return work(session)
    result = run_in_transaction(work, commit=not dry_run)
    if dry_run:
        return replace(result, change_set_id=None)
    return result


def replace_segments_in(
    change_set: ChangeSetBuilder, prepared: PreparedUpdate, *, as_of: AsOf = None, limited: bool = True
) -> ReplaceResult:
    """Replace segments as part of an open change set; the batches of a file, each with other customers, share one."""
    changed: set[str] = set()
    for _ in range(MAX_RERUNS):
        started = now()
        rows = len(prepared.document_ids)
        changed |= set(
            apply_update(change_set, prepared.update, prepared.parameters, rows=rows, as_of=as_of, limited=limited)
        )
        remaining = [document_id for document_id in prepared.document_ids if document_id not in changed]
        moment = as_of.moment if isinstance(as_of, MomentExcept) else as_of
        if not (isinstance(moment, datetime) and _may_have_missed(change_set.session, remaining, moment, started)):
            break
    too_many = _over_limit(change_set, prepared, remaining, as_of) if limited else []
    result = _result(change_set, prepared.document_ids, remaining, too_many, as_of)
    change_set.unchanged += result.unchanged
    return result


def _may_have_missed(session: Session, remaining: list[str], as_of: datetime, started: datetime) -> bool:
    """Return whether the update may have taken a customer for stale who is not.

    It does where the part of an earlier change, from before `as_of`, was committed only while the update waited for the
    customer. Once committed, the part is visible to another run.
    """
    recent = started - RECENT
    if as_of < recent or not remaining:
        return False
    parameters = {"remaining": remaining, "recent": recent, "seen": as_of}
    return session.execute(select_recent(), parameters).first() is not None


def _over_limit(change_set: ChangeSetBuilder, prepared: PreparedUpdate, remaining: list[str], as_of: AsOf) -> list[str]:
    """Return those of the `remaining` customers who were left alone because they would have too many segments."""
    limit = segment_limit()
    if limit is None or not remaining:
        return []
    query = select_over_limit(prepared.update, staleness_check(as_of))
    parameters = {**prepared.parameters, **as_of_parameters(as_of), "max_segments": limit}
    over = set(change_set.session.scalars(query, parameters))
    return [document_id for document_id in remaining if document_id in over]


def apply_update(  # noqa: PLR0913 - what to change, and what limits it
    change_set: ChangeSetBuilder,
    update: SegmentUpdate,
    parameters: Parameters,
    *,
    rows: int,
    as_of: AsOf = None,
    limited: bool = True,
) -> list[str]:
    """Run the one statement that changes segments, record it and count it; return whose segments changed.

    `rows` is the largest ordinality that the update can have. Customers who would have more segments than the limit of
    the service are left alone, unless it is an undo, which is not `limited`.
    """
    limit = segment_limit() if limited else None
    base = change_set.take_numbers(rows).start - 1
    values = {**parameters, **as_of_parameters(as_of), "part_id": change_set.part_id, "number_base": base}
    if limit is not None:
        values["max_segments"] = limit
    statement = build_update(update, staleness_check(as_of), limited=limit is not None)
    changed, before, after = statement.run(change_set.session, values)
    if not changed:
        return []
    change_set.deltas.add(before, after)
    if len(change_set.deltas) > MAX_DISTINCT_STATES:
        change_set.flush_counts()
    change_set.changed += len(changed)
    change_set.count_emptied(before, after)
    return list(changed)


def _result(
    change_set: ChangeSetBuilder, document_ids: list[str], remaining: list[str], too_many: list[str], as_of: AsOf
) -> ReplaceResult:
    """Tell unchanged, stale and missing customers apart among the `remaining`, who were not changed."""
    left: dict[str, bool] = {}
    if remaining:
        rows = change_set.session.execute(
            select_missing_or_stale(staleness_check(as_of)), {"remaining": remaining, **as_of_parameters(as_of)}
        )
        left = {document_id: bool(is_there) for document_id, is_there in rows}
    changed = len(document_ids) - len(remaining)
    return ReplaceResult(
        changed=changed,
        unchanged=len(remaining) - len(left) - len(too_many),
        not_found=[document_id for document_id in remaining if left.get(document_id) is False],
        stale=[document_id for document_id in remaining if left.get(document_id)],
        change_set_id=change_set.id if changed else None,
        too_many=too_many,
    )
