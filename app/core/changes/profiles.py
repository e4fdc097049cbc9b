"""Profiles of customers: created, updated and deleted here, and recorded like every change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.counts.customer_totals import append_totals
from app.core.database import db, now
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customer_changes import CustomerChange, Kind, Profile
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer, CustomerSearch, check_document_id, normalize_email
from app.core.search.terms import index_terms, sort_name

customers, search = Customer.__table__, CustomerSearch.__table__
entries, parts = CustomerChange.__table__, ChangeSetPart.__table__
profile_columns = tuple(customers.c[name] for name in PROFILE_FIELD_NAMES)

SEARCH_COLUMNS = ("email", "name", "terms")
POINTER = ("part_id", "entry_number")


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
    """Return those of the document_ids that customers have, in the order given."""
    requested = list(document_ids)
    query = select(customers.c.document_id).where(
        customers.c.document_id.in_(select(dialects.json_strings(requested).c.value))
    )
    found = set(session.scalars(query))
    return {document_id: None for document_id in requested if document_id in found}


def lock_customers(session: Session, document_ids: Iterable[str]) -> dict[str, Any]:
    """Return (document_id, profile fields, segments) of those who exist, locked until the transaction ends."""
    requested = dialects.json_strings(list(document_ids))
    query = (
        select(customers.c.document_id, *profile_columns, customers.c.segments)
        .where(customers.c.document_id.in_(select(requested.c.value)))
        .order_by(customers.c.document_id)
    )
    return {row.document_id: row for row in dialects.fetch_locked(session, query, customers)}


def upsert_customers(
    session: Session, rows: list[dict[str, Any]], change_set: ChangeSetBuilder | None = None
) -> UpsertResult:
    """Create or update customers by `document_id`; segments stay untouched.

    Each row has a `document_id`, unlike those of all other rows, and any of name, email and phone: a field whose key is
    missing stays as it is. Without a `change_set` nothing is recorded, and the change feed does not have it. Raises
    InvalidDocumentId.
    """
    by_fields: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        check_document_id(row["document_id"])
        by_fields.setdefault(tuple(filter(row.__contains__, PROFILE_FIELD_NAMES)), []).append(row)
    result = UpsertResult()
    for fields, alike in by_fields.items():
        result += _upsert_same_fields(session, fields, alike, change_set)
    return result


def _upsert_same_fields(
    session: Session, fields: tuple[str, ...], rows: list[dict[str, Any]], change_set: ChangeSetBuilder | None
) -> UpsertResult:
    ids = dialects.insert_missing(session, customers, fields, rows, always={"segments": []})
    created = [{**row, "id": ids[row["document_id"]]} for row in rows if row["document_id"] in ids]
    others = [row for row in rows if row["document_id"] not in ids] if fields and len(created) < len(rows) else []
    stored = _select_differing(session, fields, others)
    updated = [
        {**_profile(stored[row["document_id"]]), **row, "id": stored[row["document_id"]].id}
        for row in others
        if row["document_id"] in stored
    ]
    dialects.update_rows(session, customers, fields, updated)
    if change_set:
        _record_upsert(change_set, created, updated, stored)
    if created or updated:
        written = (*SEARCH_COLUMNS, *(POINTER if change_set else ()))
        if created:
            names = ("id", "document_id", *written)
            dialects.insert_new(session, search, names, map(itemgetter(*names), map(search_row, created)))
        dialects.update_rows(session, search, written, list(map(search_row, updated)))
        day = (change_set.at if change_set else None) or now()
        append_totals(session, day.date(), customers=len(created))
    return UpsertResult(len(created), len(updated), len(rows) - len(created) - len(updated))


def _select_differing(session: Session, fields: tuple[str, ...], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, by document_id, the customers whose `fields` differ from the rows: their ids, profiles and pointers.

    They are locked: no other transaction changes them until this one ends.
    """
    if not rows:
        return {}
    row = dialects.json_elements(rows)
    differ = or_(*(customers.c[name].is_distinct_from(row.c.value[name].as_string()) for name in fields))
    query = (
        select(customers.c.document_id, customers.c.id, *profile_columns, search.c.part_id, search.c.entry_number)
        .join(row, customers.c.document_id == row.c.value["document_id"].as_string())
        .join(search, search.c.document_id == customers.c.document_id)
        .where(differ)
        .order_by(customers.c.document_id)
    )
    return {found.document_id: found for found in dialects.fetch_locked(session, query, customers)}


def _profile(row: Any) -> Profile:
    return {name: getattr(row, name) for name in PROFILE_FIELD_NAMES}


def _record_upsert(
    change_set: ChangeSetBuilder,
    created: list[dict[str, Any]],
    updated: list[dict[str, Any]],
    stored: dict[str, Any],
) -> None:
    """Record creations and updates, and set in each row the pointer to its entry."""
    change_set.created += len(created)
    change_set.updated += len(updated)
    if created:
        record_entries(change_set, "created", _entries(change_set, created, {}))
    if updated:
        record_entries(change_set, "profile", _entries(change_set, updated, stored))


def _entries(
    change_set: ChangeSetBuilder, rows: list[dict[str, Any]], stored: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """Yield the entry of each row, and set in the row the pointer to it."""
    for row, number in zip(rows, change_set.take_numbers(len(rows)), strict=True):
        row["part_id"], row["entry_number"] = change_set.part_id, number
        old = stored.get(row["document_id"])
        before, previous = (_profile(old), (old.part_id, old.entry_number)) if old else (None, (None, None))
        after = {name: row.get(name) for name in PROFILE_FIELD_NAMES}
        yield number, row["id"], row["document_id"], before, after, *previous


def record_entries(change_set: ChangeSetBuilder, kind: Kind, rows: Iterable[Sequence[Any]]) -> None:
    """Write entries of one kind other than `segments`.

    Each row is (number, customer_id, document_id, before, after, previous_part_id, previous_number).
    """
    identity = ("part_id", "kind", "number", "customer_id", "document_id")
    names = (*identity, "before", "after", "previous_part_id", "previous_number")
    values = (
        (change_set.part_id, kind, number, customer_id, document_id, _json(before), _json(after), *previous)
        for number, customer_id, document_id, before, after, *previous in rows
    )
    dialects.insert_new(change_set.session, entries, names, values)


def _json(value: Any) -> str | None:
    """Return the value as the text of a JSON column."""
    return None if value is None else orjson.dumps(value).decode()


def search_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of `customer_search` for a customer, with the pointer if the row has it."""
    email = row.get("email")
    return {
        **{name: row[name] for name in ("id", "document_id", *POINTER) if name in row},
        "email": email and normalize_email(email),
        "name": sort_name(row.get("name")),
        "terms": index_terms(row["document_id"], row),
    }


def list_profile_changes(change_set_id: int, *, limit: int) -> list[CustomerChange]:
    """Return the first entries of a change set that are no changes of segments."""
    query = (
        select(CustomerChange)
        .join(ChangeSetPart, ChangeSetPart.id == CustomerChange.part_id)
        .where(ChangeSetPart.change_set_id == change_set_id, CustomerChange.kind != "segments")
        .order_by(CustomerChange.part_id, CustomerChange.number)
    )
    return list(db.session.scalars(query.limit(limit)))
