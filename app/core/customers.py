"""Customers: the one model, how one is found, and how the facts about them are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, Moment, db
from app.core.errors import AmbiguousEmail, CustomerNotFound

Segments = list[dict[str, str]]
"""`[{"type": "membership", "value": "GOLD"}, …]`: in the order and spelling they were sent, equal pairs kept."""

FACTS = ("name", "email", "phone")


class Customer(Base):
    """A customer and the segments she carries.

    Only two indexes, the key and (on PostgreSQL) the GIN on `segments`: every change of the segments writes an entry
    into every index of the table. What is needed to find people lives in `customer_search`.
    """

    __tablename__ = "customers"
    __table_args__ = (
        Index(
            "ix_customers_segments",
            "segments",
            postgresql_using="gin",
            postgresql_ops={"segments": "jsonb_path_ops"},
        ).ddl_if(dialect="postgresql"),
    )

    document_id: Mapped[str] = mapped_column(dialects.Exact, primary_key=True)
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    segments: Mapped[Segments] = mapped_column(dialects.Json)
    # Since when she has had these segments, and by which change set: a link to the newest of her `segment_changes`,
    # each of which links to the one before. No foreign keys: they would be checked for every customer of every file.
    changed_at: Mapped[datetime | None] = mapped_column(Moment)
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
    # What the last change replaced: an UPDATE can only return new values, and history needs the old.
    previous_segments: Mapped[Segments | None] = mapped_column(dialects.Json)
    previous_change_set_id: Mapped[int | None] = mapped_column(dialects.Id)


class CustomerSearch(Base):
    """What customers are found by, apart from their key; written only when those facts change."""

    __tablename__ = "customer_search"

    document_id: Mapped[str] = mapped_column(
        dialects.Exact,
        ForeignKey("customers.document_id", onupdate="CASCADE", ondelete="CASCADE"),
        primary_key=True,
    )
    email: Mapped[str | None] = mapped_column(index=True)


def storable(text: str) -> bool:
    """Whether a database can hold `text`: no U+0000, no lone surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


# Finding one


def segments_of(document_id: str) -> Segments:
    """Raises CustomerNotFound."""
    query = select(Customer.segments).where(Customer.document_id == document_id)
    found = db.session.scalar(query) if storable(document_id) else None
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    return found


def segments_of_email(email: str) -> Segments:
    """The segments of the one customer with this e-mail, compared without regard to case.

    Raises CustomerNotFound and AmbiguousEmail.
    """
    query = (
        select(Customer.segments)
        .join(CustomerSearch, CustomerSearch.document_id == Customer.document_id)
        .where(CustomerSearch.email == email.casefold())
        .limit(2)
    )
    found = db.session.scalars(query).all() if storable(email) else []
    if not found:
        raise CustomerNotFound("No customer has this e-mail.")
    if len(found) > 1:
        raise AmbiguousEmail("Several customers have this e-mail: ask by document_id.")
    return found[0]


def any_customer() -> bool:
    return db.session.scalar(select(Customer.document_id).limit(1)) is not None


def every_customer(holding: Iterable[dict[str, str]] = ()) -> Iterator[dict[str, Any]]:
    """Customers with their facts and segments, by document_id, streamed; only those holding all of the given pairs."""
    columns = (Customer.document_id, *(getattr(Customer, fact) for fact in FACTS), Customer.segments)
    query = select(*columns).order_by(Customer.document_id).execution_options(yield_per=2000)
    for segment in holding:
        query = query.where(dialects.holds(Customer.__table__.c.segments, segment))
    for row in db.session.execute(query):
        yield row._asdict()


# Writing facts


@dataclass(frozen=True)
class Saved:
    """How many customers a batch created, updated and left as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Saved") -> "Saved":
        return Saved(self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged)


def save_customers(session: Session, rows: list[dict[str, Any]]) -> Saved:
    """Create or update customers by `document_id`; segments stay untouched.

    Each row has a `document_id`, unlike those of all other rows, and any of name, email and phone: a fact whose key is
    missing is left as it is.
    """
    by_facts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_facts.setdefault(tuple(fact for fact in FACTS if fact in row), []).append(row)
    saved = Saved()
    for facts, alike in by_facts.items():
        saved += _save_alike(session, facts, alike)
    return saved


def _save_alike(session: Session, facts: tuple[str, ...], rows: list[dict[str, Any]]) -> Saved:
    created, updated = dialects.save(session, Customer.__table__, facts, rows, always={"segments": []})
    touched = {*created, *updated}
    if "email" in facts and touched:
        searchable = [
            {"document_id": row["document_id"], "email": row["email"] and row["email"].casefold()}
            for row in rows
            if row["document_id"] in touched
        ]
        dialects.save(session, CustomerSearch.__table__, ("email",), searchable)
    return Saved(len(created), len(updated), len(rows) - len(touched))
