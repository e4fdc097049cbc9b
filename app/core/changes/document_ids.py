"""A customer's new document_id: segments, profile and history stay with the customer."""

from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder, open_change_set
from app.core.changes.profiles import record_entries, search_row
from app.core.database import run_in_transaction
from app.core.errors import CustomerExists, CustomerNotFound
from app.core.models.change_sets import Actor
from app.core.models.customers import Customer, CustomerSearch, check_document_id, is_storable

customers, search = Customer.__table__, CustomerSearch.__table__

RENAME_NOTE = "Changes the document_id of a customer"


def rename_customer(old: str, new: str, actor: Actor, *, note: str = RENAME_NOTE) -> int:
    """Give the customer `old` the document_id `new`; return the id of the change set, which can be reverted.

    Earlier entries keep the old id. An id that no customer has any more can be used again.

    Raises InvalidDocumentId, CustomerNotFound, CustomerExists if another customer has the new id, and Unavailable.
    """

    def work(session: Session) -> int:
        with open_change_set(session, actor, note=note) as change_set:
            rename_customer_in(change_set, old, new)
        return change_set.id

    return run_in_transaction(work)


def rename_customer_in(change_set: ChangeSetBuilder, old: str, new: str) -> None:
    """Rename a customer as part of a change set. Raises InvalidDocumentId, CustomerNotFound and CustomerExists."""
    check_document_id(new)
    session = change_set.session
    customer = _lock(session, old) if is_storable(old) else None
    if customer is None:
        raise CustomerNotFound("No customer has this document_id.")
    if session.scalar(select(customers.c.document_id).where(customers.c.document_id == new)) is not None:
        raise CustomerExists(f"Another customer has the document_id {new}. Nothing was changed.")
    found = session.execute(select(search).where(search.c.document_id == old)).one()
    (number,) = change_set.take_numbers(1)
    # The row moves instead of being updated: where customers are distributed by document_id, no UPDATE can change it.
    session.execute(delete(customers).where(customers.c.document_id == old))
    session.execute(insert(customers).values({**customer, "document_id": new}))
    row = {**customer, "document_id": new, "part_id": change_set.part_id, "entry_number": number}
    session.execute(insert(search).values(search_row(row)))
    previous = [found.part_id, found.entry_number]
    record_entries(change_set, "renamed", [[number, customer["id"], old, None, {"document_id": new}, *previous]])
    change_set.updated += 1


def _lock(session: Session, document_id: str) -> dict[str, Any] | None:
    """Return the row of a customer, locked until the transaction ends."""
    query = select(customers).where(customers.c.document_id == document_id).with_for_update()
    found = session.execute(query).one_or_none()
    return dict(found._mapping) if found else None
