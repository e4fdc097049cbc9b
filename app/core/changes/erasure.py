"""Erasure and disclosure of customers: contract §8."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.delete_customers import delete_customers
from app.core.changes.erasure_log import ErasureRecord, record_erasure, recorded_erasures
from app.core.changes.traces import Traces
from app.core.database import db, run_in_transaction
from app.core.errors import CustomerNotFound
from app.core.models.change_sets import Actor, ChangeSet, ChangeSetPart
from app.core.models.current_customers import Current, select_customers
from app.core.models.customer_changes import CustomerChange, EntryKey
from app.core.models.customers import Customer, CustomerSearch, is_storable
from app.core.models.sealed_deletions import Deletion

BATCH_SIZE = 500
"""Customers erased in one transaction: other writers get their turn in between."""

customers, search = Customer.__table__.c, CustomerSearch.__table__.c
entries, parts, sets = CustomerChange.__table__.c, ChangeSetPart.__table__.c, ChangeSet.__table__.c


@dataclass
class ErasureResult:
    """How many customers were erased, by which change sets, and which ids no customer has."""

    erased: int = 0
    change_set_ids: list[int] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)


def erase_customers(
    document_ids: Iterable[str],
    actor: Actor,
    check: Callable[[Session], None] = lambda _session: None,
) -> ErasureResult:
    """Delete customers and all entries about them, under every id they had.

    One `deleted` entry of each remains for some time, with its id encrypted. Counts stay right, and other customers'
    changes of the same change sets can still be reverted. In batches, each committed by itself; `check` is called at
    the beginning of each. Raises Unavailable, and what `check` raises.
    """
    result = ErasureResult()
    ids = list(dict.fromkeys(document_ids))
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        erased, change_set_id = run_in_transaction(partial(_erase, document_ids=batch, actor=actor, check=check))
        result.erased += len(erased)
        result.not_found += [document_id for document_id in batch if document_id not in erased]
        if change_set_id is not None:
            result.change_set_ids.append(change_set_id)
    return result


def erase_again(actor: Actor) -> int:
    """Erase the customers of the erasure log who exist again since a backup was restored; return how many.

    A new customer with the document_id of an erased one has another internal number, and is kept. Raises Unavailable.
    """
    doomed: list[str] = []
    for erased in recorded_erasures():
        query = select(customers.document_id, customers.id).where(
            customers.document_id.in_(select(dialects.json_strings(erased.ids).c.value))
        )
        doomed += [row.document_id for row in db.session.execute(query) if row.id in erased.numbers]
    db.session.rollback()
    return erase_customers(doomed, actor).erased


def purge_deleted() -> bool:
    """Overwrite what was deleted, where the database's file keeps it; return False if others use it all the time."""
    db.session.remove()
    return dialects.purge_deleted(db.engine)


def purge_is_due() -> bool:
    """Return whether customers were erased since the last purge."""
    return dialects.purge_is_due(db.engine)


def _erase(
    session: Session,
    document_ids: Sequence[str],
    actor: Actor,
    check: Callable[[Session], None],
) -> tuple[set[str], int | None]:
    check(session)
    with open_change_set(session, actor) as change_set:
        found = select_current(session, [id_ for id_ in document_ids if is_storable(id_)])
        traces = delete_customers(change_set, [(customer, Deletion(customer.document_id)) for customer in found])
        if found:
            record_erasure(ErasureRecord([customer.id for customer in found], sorted(traces.ids)))
    return {customer.document_id for customer in found}, change_set.id if found else None


def select_current(session: Session, document_ids: list[str]) -> list[Current]:
    """Return customers as they are, with the pointers to their entries, locked until the transaction ends."""
    requested = select(dialects.json_strings(document_ids).c.value)
    query = select_customers().where(customers.document_id.in_(requested)).order_by(customers.document_id)
    return [Current.of(row) for row in dialects.fetch_locked(session, query, Customer.__table__)]


Disclose = Callable[[Session, Traces], list[dict[str, Any]]]
"""Returns what a package keeps of a customer, as JSON."""


def disclose_customer(document_id: str, elsewhere: Mapping[str, Disclose] = MappingProxyType({})) -> dict[str, Any]:
    """Return everything that is stored about a customer, as JSON, with what is kept `elsewhere` under these names.

    Raises CustomerNotFound.
    """
    query = select_customers().where(customers.document_id == document_id)
    row = db.session.execute(query).one_or_none() if is_storable(document_id) else None
    if row is None:
        raise CustomerNotFound("No customer has this document_id.")
    customer = Current.of(row)
    found_by = db.session.get_one(CustomerSearch, customer.id)
    changes = [*_iter_chain(customer.profile_part_id, customer.profile_entry_number)]
    changes += _iter_chain(customer.part_id, customer.entry_number)
    entries_of = [entry for _position, _number, entry in sorted(changes, key=lambda change: change[:2])]
    profiles = [customer.profile, *(entry[name] for entry in entries_of for name in ("before", "after"))]
    traces = Traces.of([customer.document_id, *(entry["document_id"] for entry in entries_of)], profiles)
    return {
        "document_id": customer.document_id,
        **customer.profile,
        "segments": customer.segments,
        "internalId": customer.id,
        "search": {"name": found_by.name, "email": found_by.email, "terms": found_by.terms},
        "changes": entries_of,
        **{name: disclose(db.session(), traces) for name, disclose in elsewhere.items()},
    }


def _iter_chain(part_id: int | None, number: int | None) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield (position, number, entry) of one chain, newest first."""
    key: EntryKey | None = None if part_id is None or number is None else (part_id, number)
    while key is not None:
        query = (
            select(CustomerChange, parts.position, parts.at, sets.id, sets.actor, sets.source, sets.note)
            .join(ChangeSetPart, parts.id == entries.part_id)
            .join(ChangeSet, sets.id == parts.change_set_id)
            .where(and_(entries.part_id == key[0], entries.number == key[1]))
        )
        row = db.session.execute(query).one_or_none()
        if row is None:
            return
        entry: CustomerChange = row[0]
        yield (
            row.position,
            entry.number,
            {
                "kind": entry.kind,
                "at": row.at.isoformat(),
                "actor": row.actor,
                "source": row.source,
                "note": row.note,
                "changeSet": str(row.id),
                "document_id": entry.document_id,
                "before": entry.before,
                "after": entry.after,
            },
        )
        previous = entry.previous_part_id, entry.previous_number
        key = None if previous[0] is None or previous[1] is None else (previous[0], previous[1])
