"""Undoing what a change set did to the facts of customers: those it created, changed, or gave another document_id."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.document_ids import rename_customer_in
from app.core.changes.profiles import delete_customers, existing_ids, upsert_customers
from app.core.changes.replace_segments import ChangeSetBuilder
from app.core.errors import CustomerNotFound, DuplicateName
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer
from app.core.models.profile_changes import Profile, ProfileChange

BATCH_SIZE = 5_000

ALL = true()

customers = Customer.__table__.c
recorded = ProfileChange.__table__.c


def restore_deleted(undo: ChangeSetBuilder, change_set_id: int) -> None:
    """Create again, without segments, whoever the change set removed: before hers are put back."""
    gone = recorded.after == dialects.json_null()
    last = ""
    while rows := _next(undo.session, change_set_id, last, gone):
        last = rows[-1][0]
        there = existing_ids(undo.session, [row[0] for row in rows])
        back = [{"document_id": row[0], **(row[1] or {})} for row in rows if row[0] not in there]
        upsert_customers(undo.session, back, undo)


def revert_profiles(undo: ChangeSetBuilder, change_set_id: int, conflicts: list[str]) -> int:
    """Put back the facts of whoever still has those that the change set gave; the others are conflicts, each once.

    Who was created is removed, if nothing else ever happened to her. Gives back how many were.
    """
    left, removed, last = set(conflicts), 0, ""
    while rows := _next(undo.session, change_set_id, last):
        last = rows[-1][0]
        rows, moved = _revert_renames(undo, rows)
        left.update(moved)
        known = _current_profiles(undo.session, [row[0] for row in rows])
        as_given = [row for row in rows if known.get(row[0]) == row[2]]
        gone = [row for row in as_given if row[1] is None]
        removable = _unchanged_since(undo, change_set_id, [row[0] for row in gone])
        delete_customers(undo, {row[0]: row[2] for row in gone if row[0] in removable})
        back = [{"document_id": row[0], **row[1]} for row in as_given if row[1] is not None]
        upsert_customers(undo.session, back, undo)
        removed += len(removable)
        here = {row["document_id"] for row in back} | removable
        unchanged = {row[0] for row in rows if known.get(row[0]) == row[1]}
        left.update(row[0] for row in rows if row[0] not in here and row[0] not in unchanged)
    conflicts.extend(sorted(left - set(conflicts)))
    return removed


ProfileRow = tuple[str, Profile | None, Profile | None]


def _revert_renames(undo: ChangeSetBuilder, rows: list[ProfileRow]) -> tuple[list[ProfileRow], list[str]]:
    """Give those who got another document_id their old one back; the other rows, and for whom it could not be done."""
    rest, conflicts = [], []
    for row in rows:
        old = (row[1] or {}).get("document_id")
        if old is None:
            rest.append(row)
            continue
        try:
            rename_customer_in(undo, row[0], old)
        except (CustomerNotFound, DuplicateName):
            conflicts.append(row[0])
    return rest, conflicts


def _next(session: Session, change_set_id: int, after: str, which: ColumnElement[bool] = ALL) -> list[ProfileRow]:
    query = (
        select(recorded.document_id, recorded.before, recorded.after)
        .where(recorded.change_set_id == change_set_id, recorded.document_id > after, which)
        .order_by(recorded.document_id)
        .limit(BATCH_SIZE)
    )
    return [tuple(row) for row in session.execute(query)]


def _current_profiles(session: Session, document_ids: list[str]) -> dict[str, Any]:
    query = (
        select(customers.document_id, *(customers[fact] for fact in PROFILE_FIELD_NAMES))
        .where(customers.document_id.in_(select(dialects.json_strings(document_ids).c.value)))
        .order_by(customers.document_id)
        .with_for_update()
    )
    return {
        document_id: dict(zip(PROFILE_FIELD_NAMES, facts, strict=True))
        for document_id, *facts in session.execute(query)
    }


def _unchanged_since(undo: ChangeSetBuilder, change_set_id: int, document_ids: list[str]) -> set[str]:
    """Those who carry nothing, and whose segments nobody else ever changed."""
    only_here = or_(customers.change_set_id.is_(None), customers.change_set_id.in_([undo.id, change_set_id]))
    before_that = or_(
        customers.previous_change_set_id.is_(None), customers.previous_change_set_id.in_([undo.id, change_set_id])
    )
    query = select(customers.document_id).where(
        customers.document_id.in_(select(dialects.json_strings(document_ids).c.value)),
        and_(customers.segments == dialects.json_value([]), only_here, before_that),
    )
    return set(undo.session.scalars(query))
