"""What is known of customers besides their segments: written here, on record like every change, and undone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, literal, or_, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.replace_segments import ChangeSetBuilder
from app.core.counts.customer_totals import append_totals
from app.core.database import db, now
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer, CustomerSearch, check_document_id, normalize_email
from app.core.models.profile_changes import Profile, ProfileChange
from app.core.search.terms import index_terms, sort_name

customers = Customer.__table__
profile_columns = tuple(customers.c[fact] for fact in PROFILE_FIELD_NAMES)


@dataclass(frozen=True)
class UpsertResult:
    """How many customers a batch created, updated and left as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "UpsertResult") -> "UpsertResult":
        return UpsertResult(
            self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged
        )


def existing_ids(session: Session, document_ids: Iterable[str]) -> dict[str, None]:
    """Those of them who are customers, in the order in which they are given."""
    asked = list(document_ids)
    query = select(customers.c.document_id).where(
        customers.c.document_id.in_(select(dialects.json_strings(asked).c.value))
    )
    there = set(session.scalars(query))
    return {document_id: None for document_id in asked if document_id in there}


def upsert_customers(
    session: Session, rows: list[dict[str, Any]], change_set: ChangeSetBuilder | None = None
) -> UpsertResult:
    """Create or update customers by `document_id`; segments stay untouched.

    Each row has a `document_id`, unlike those of all other rows, and any of name, email and phone: a fact whose key is
    missing is left as it is. What is done is recorded in the `change_set`, unless it is an invented past. Raises
    InvalidDocumentId.
    """
    for row in rows:
        check_document_id(row["document_id"])
    by_facts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_facts.setdefault(tuple(fact for fact in PROFILE_FIELD_NAMES if fact in row), []).append(row)
    saved = UpsertResult()
    for facts, alike in by_facts.items():
        saved += _upsert_same_fields(session, facts, alike, change_set)
    return saved


def _upsert_same_fields(
    session: Session, facts: tuple[str, ...], rows: list[dict[str, Any]], change_set: ChangeSetBuilder | None
) -> UpsertResult:
    created = set(dialects.insert_missing(session, customers, facts, rows, always={"segments": []}))
    fresh = [row for row in rows if row["document_id"] in created]
    others = [row for row in rows if row["document_id"] not in created] if facts and len(fresh) < len(rows) else []
    before = _differing(session, facts, others)
    changed = [{**before[row["document_id"]], **row} for row in others if row["document_id"] in before]
    dialects.update_rows(session, customers, facts, changed)
    if change_set:
        _record(change_set, fresh, {})
        _record(change_set, changed, before)
    if fresh or changed:
        update_search_index(session, fresh, changed)
        append_totals(session, (change_set.at if change_set else now()).date(), customers=len(fresh))
    return UpsertResult(len(fresh), len(changed), len(rows) - len(fresh) - len(changed))


def _differing(session: Session, facts: tuple[str, ...], rows: list[dict[str, Any]]) -> dict[str, Profile]:
    """The facts, all of them, of those customers who have others than these rows say; nobody else changes them now."""
    if not rows:
        return {}
    sent = dialects.json_elements(rows)
    differ = or_(*(customers.c[fact].is_distinct_from(sent.c.value[fact].as_string()) for fact in facts))
    query = (
        select(customers.c.document_id, *profile_columns)
        .join(sent, customers.c.document_id == sent.c.value["document_id"].as_string())
        .where(differ)
        .order_by(customers.c.document_id)
        .with_for_update(of=customers)
    )
    return {
        document_id: dict(zip(PROFILE_FIELD_NAMES, old, strict=True)) for document_id, *old in session.execute(query)
    }


def _record(change_set: ChangeSetBuilder, rows: list[dict[str, Any]], before: dict[str, Profile]) -> None:
    """Note in the change set what these customers, by `before` or new, became: `document_id`, name, email, phone."""
    if rows:
        ids = [row["document_id"] for row in rows]
        after = [{name: row.get(name) for name in PROFILE_FIELD_NAMES} for row in rows]
        record_profile_changes(change_set, [[id_, before.get(id_), told] for id_, told in zip(ids, after, strict=True)])
        change_set.created += 0 if before else len(rows)
        change_set.updated += len(rows) if before else 0


def record_profile_changes(change_set: ChangeSetBuilder, told: list[list[Any]]) -> None:
    """Write rows of [document_id, facts before, facts after] into the record."""
    sent = dialects.json_elements(told).c.value
    columns = ["change_set_id", "document_id", "before", "after"]
    rows = select(literal(change_set.id, dialects.Id), sent[0].as_string(), sent[1], sent[2])
    change_set.session.execute(insert(ProfileChange.__table__).from_select(columns, rows))


def list_profile_changes(change_set_id: int, *, limit: int) -> list[ProfileChange]:
    """The first of them, by document_id."""
    query = (
        select(ProfileChange).where(ProfileChange.change_set_id == change_set_id).order_by(ProfileChange.document_id)
    )
    return list(db.session.scalars(query.limit(limit)))


def delete_customers(change_set: ChangeSetBuilder, facts: Mapping[str, Profile | None]) -> None:
    """Remove customers who carry nothing, `{document_id: her facts}`: what an undo does with those who were created."""
    if facts:
        ids = select(dialects.json_strings(list(facts)).c.value)
        change_set.session.execute(delete(customers).where(customers.c.document_id.in_(ids)))
        record_profile_changes(change_set, [[document_id, before, None] for document_id, before in facts.items()])
        append_totals(change_set.session, change_set.at.date(), customers=-len(facts))
        change_set.updated += len(facts)


def update_search_index(session: Session, fresh: list[dict[str, Any]], changed: list[dict[str, Any]]) -> None:
    """Note by what these customers, new or not, are found, from all of their facts."""
    names = ("email", "name", "terms")
    dialects.insert_missing(session, CustomerSearch.__table__, names, [_search_row(row) for row in fresh])
    if changed:
        dialects.update_rows(session, CustomerSearch.__table__, names, [_search_row(row) for row in changed])


def _search_row(row: dict[str, Any]) -> dict[str, Any]:
    email = row.get("email")
    return {
        "document_id": row["document_id"],
        "email": email and normalize_email(email),
        "name": sort_name(row.get("name")),
        "terms": index_terms(row["document_id"], row),
    }
