"""A customer who got another document_id, from a new identity card perhaps: what she carries and her past stay hers."""

from sqlalchemy import select, union_all, update
from sqlalchemy.orm import Session

from app.core.changes.profiles import record_profile_changes, update_search_index
from app.core.changes.replace_segments import ChangeSetBuilder, open_change_set
from app.core.database import run_in_transaction
from app.core.errors import CustomerExists, CustomerNotFound
from app.core.models.change_sets import Actor, SegmentChange
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer, check_document_id, is_storable
from app.core.models.profile_changes import ProfileChange

customers = Customer.__table__
steps, facts = SegmentChange.__table__, ProfileChange.__table__


def rename_customer(old: str, new: str, actor: Actor) -> int:
    """Call the customer `old` by the document_id `new` from now on; the id of the change set, which can be undone.

    Raises InvalidDocumentId, CustomerNotFound, CustomerExists if another customer has or had the new one, and
    Unavailable.
    """

    def work(session: Session) -> int:
        with open_change_set(session, actor, note=f"Changes the document_id {old} to {new}") as change_set:
            rename_customer_in(change_set, old, new)
        return change_set.id

    return run_in_transaction(work)


def rename_customer_in(change_set: ChangeSetBuilder, old: str, new: str) -> None:
    """The same as part of a change set. Raises InvalidDocumentId, CustomerNotFound and CustomerExists."""
    check_document_id(new)
    session = change_set.session
    found = session.get(Customer, old, with_for_update=True) if is_storable(old) else None
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    past = _last_change_set_ids(session, found)
    if session.get(Customer, new) is not None or _shared_change_sets(session, past, old, new):
        raise CustomerExists(f"Another customer has the document_id {new}, or had it. Nothing was changed.")
    known = {fact: getattr(found, fact) for fact in PROFILE_FIELD_NAMES}
    session.expunge(found)
    session.execute(update(customers).where(customers.c.document_id == old).values(document_id=new))
    for table, hers in ((steps, steps.c.change_set_id.in_(past)), (facts, facts.c.document_id == old)):
        session.execute(update(table).where(table.c.document_id == old, hers).values(document_id=new))
    update_search_index(session, [], [{"document_id": new, **known}])
    record_profile_changes(change_set, [[new, {"document_id": old, **known}, {"document_id": new, **known}]])
    change_set.updated += 1


def _shared_change_sets(session: Session, past: list[int], old: str, new: str) -> bool:
    """Whether one change set is on record as having changed both: then `new` is somebody else, gone by now perhaps."""
    hers = select(facts.c.change_set_id).where(facts.c.document_id == old)
    either = union_all(
        select(steps.c.document_id).where(steps.c.change_set_id.in_(past), steps.c.document_id == new),
        select(facts.c.document_id).where(facts.c.change_set_id.in_(hers), facts.c.document_id == new),
    )
    return session.execute(either.limit(1)).first() is not None


def _last_change_set_ids(session: Session, customer: Customer) -> list[int]:
    """The change sets that changed her segments: each of her changes names the one before."""
    past: list[int] = []
    change_set_id = customer.change_set_id
    while change_set_id is not None:
        past.append(change_set_id)
        query = select(steps.c.previous_change_set_id).where(
            steps.c.change_set_id == change_set_id, steps.c.document_id == customer.document_id
        )
        change_set_id = session.scalar(query)
    return past
