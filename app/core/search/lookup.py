"""Find many customers at once, by document_id or by e-mail."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from app.core import dialects
from app.core.database import db
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer, CustomerSearch, is_storable, normalize_email

customers, search = Customer.__table__.c, CustomerSearch.__table__.c
COLUMNS = (customers.document_id, *(customers[name] for name in PROFILE_FIELD_NAMES), customers.segments)


def lookup_ids(document_ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the customers with these ids, in the order given, each once; and the ids that no customer has."""
    storable = [document_id for document_id in document_ids if is_storable(document_id)]
    query = select(*COLUMNS).where(customers.document_id.in_(select(dialects.json_strings(storable).c.value)))
    found = {row.document_id: dict(row._mapping) for row in db.session.execute(query)}
    requested = list(dict.fromkeys(document_ids))
    return [found[id_] for id_ in requested if id_ in found], [id_ for id_ in requested if id_ not in found]


def lookup_emails(emails: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return all customers with these e-mails, by document_id within each; and the e-mails that no customer has."""
    keys = {email: normalize_email(email) for email in emails if is_storable(email)}
    requested = select(dialects.json_strings(list(keys.values())).c.value)
    query = (
        select(*COLUMNS, search.email.label("key"))
        .join(CustomerSearch.__table__, search.document_id == customers.document_id)
        .where(search.email.in_(requested))
        .order_by(customers.document_id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in db.session.execute(query):
        customer = dict(row._mapping)
        found.setdefault(customer.pop("key"), []).append(customer)
    matches = [found[key] for key in dict.fromkeys(keys.values()) if key in found]
    missing = [email for email in dict.fromkeys(emails) if keys.get(email) not in found]
    return [customer for group in matches for customer in group], missing
