"""Customers: the one model, and how one is found."""

import re
from datetime import datetime

from sqlalchemy import ForeignKey, Index, bindparam, select, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, fetch_autocommit
from app.core.errors import AmbiguousEmail, CustomerNotFound, InvalidDocumentId
from app.core.limits import MAX_LENGTHS

Segments = list[dict[str, str]]
"""`[{"type": "membership", "value": "GOLD"}, …]`: in the order and spelling they were sent, equal pairs kept."""

PROFILE_FIELDS = ("name", "email", "phone")


class Customer(Base):
    """A customer and the segments she carries.

    Only two indexes, the key and (on PostgreSQL) the GIN on `segments`: every change of the segments writes an entry
    into every index of the table. What is needed to find people lives in `customer_search`. The third index holds only
    those who carry nothing, and so costs the others nothing.
    """

    __tablename__ = "customers"
    __table_args__ = (
        Index(
            "ix_customers_segments",
            "segments",
            postgresql_using="gin",
            postgresql_ops={"segments": "jsonb_path_ops"},
        ).ddl_if(dialect="postgresql"),
        Index(
            "ix_customers_without_segments",
            "document_id",
            postgresql_where=text("segments = '[]'"),
            sqlite_where=text("segments = '[]'"),
        ),
    )

    document_id: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    segments: Mapped[Segments] = mapped_column(dialects.Json)
    # Since when she has had these segments, and by which change set: a link to the newest of her `segment_changes`,
    # each of which links to the one before. No foreign keys: they would be checked for every customer of every file.
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
    # What the last change replaced: an UPDATE can only return new values, and history needs the old.
    previous_segments: Mapped[Segments | None] = mapped_column(dialects.Json)
    previous_change_set_id: Mapped[int | None] = mapped_column(dialects.Id)


class CustomerSearch(Base):
    """What customers are found and sorted by, apart from their key; written only when those facts change.

    The `id` is there for SQLite's full text, which goes by row numbers, and they must survive a VACUUM.
    """

    __tablename__ = "customer_search"
    __table_args__ = (
        Index("ix_customer_search_name", "name", "document_id"),
        Index("ix_customer_search_terms", "terms", postgresql_using="gin").ddl_if(dialect="postgresql"),
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    document_id: Mapped[str] = mapped_column(
        dialects.BytewiseString,
        ForeignKey("customers.document_id", onupdate="CASCADE", ondelete="CASCADE"),
        unique=True,
    )
    email: Mapped[str | None] = mapped_column(dialects.BytewiseString, index=True)
    name: Mapped[str | None] = mapped_column(dialects.BytewiseString)
    terms: Mapped[str | None] = mapped_column(dialects.SearchVector)


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether a database can hold `text`: no U+0000, no lone surrogates."""
    return _UNSTORABLE.search(text) is None


def check_document_id(document_id: str) -> None:
    """Raise InvalidDocumentId unless a new customer may have this id."""
    if not 0 < len(document_id) <= MAX_LENGTHS["document_id"] or not is_storable(document_id):
        raise InvalidDocumentId


def replace_unstorable(text: str) -> str:
    """With a sign in place of what cannot be stored, to be shown."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


# Finding one


def get_customer(document_id: str) -> Customer:
    """Raises CustomerNotFound."""
    found = db.session.get(Customer, document_id) if is_storable(document_id) else None
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    return found


def customer_exists(document_id: str) -> bool:
    query = select(Customer.document_id).where(Customer.document_id == document_id)
    return is_storable(document_id) and db.session.scalar(query) is not None


_SEGMENTS = select(Customer.__table__.c.segments).where(Customer.document_id == bindparam("asked"))


def get_segments(document_id: str) -> Segments:
    """Raises CustomerNotFound."""
    found = fetch_autocommit(_SEGMENTS, {"asked": document_id}) if is_storable(document_id) else []
    if not found:
        raise CustomerNotFound("No customer has this document_id.")
    return found[0].segments  # type: ignore[no-any-return]


_SEGMENTS_BY_EMAIL = (
    select(Customer.__table__.c.segments)
    .join(CustomerSearch.__table__, CustomerSearch.document_id == Customer.document_id)
    .where(CustomerSearch.email == bindparam("asked"))
    .limit(2)
)


def get_segments_by_email(email: str) -> Segments:
    """The segments of the one customer with this e-mail, compared without regard to case.

    Raises CustomerNotFound and AmbiguousEmail.
    """
    found = fetch_autocommit(_SEGMENTS_BY_EMAIL, {"asked": email.casefold()}) if is_storable(email) else []
    if not found:
        raise CustomerNotFound("No customer has this e-mail.")
    if len(found) > 1:
        raise AmbiguousEmail("Several customers have this e-mail: ask by document_id.")
    return found[0].segments  # type: ignore[no-any-return]


def has_customers() -> bool:
    return db.session.scalar(select(Customer.document_id).limit(1)) is not None
