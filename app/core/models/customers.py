"""Customers: their table, the fields of their profiles, and reading one of them."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import FetchedValue, ForeignKey, Index, Select, bindparam, select, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from app.core import dialects
from app.core.database import Base, db, fetch_autocommit
from app.core.errors import AmbiguousEmail, CustomerNotFound, InvalidDocumentId
from app.core.limits import MAX_DOCUMENT_ID_LENGTH
from app.core.models.change_sets import ChangeSetPart
from app.core.models.segments import Segments

SearchKind = Literal["none", "words", "email", "phone"]


@dataclass(frozen=True)
class ProfileField:
    """One field of a profile, declared once: all that search, import, export, API and pages need to know of it."""

    name: str
    """Its name in the API, in files and as a column of `customers`."""
    label: str
    """Its name on the pages, in English."""
    max_length: int
    """In characters. An index entry of PostgreSQL holds some 2,700 bytes, and a character takes up to four."""
    search: SearchKind
    """How customers are found by it: by parts of its words, as an e-mail, by its digits, or not at all."""
    synonyms: tuple[str, ...] = ()
    """Headers of import columns that mean this field, in English, Spanish and Portuguese: letters and digits only."""


PROFILE_FIELDS = (
    ProfileField(
        "name",
        "Name",
        1000,
        "words",
        ("nombre", "nome", "nombrecompleto", "fullname", "displayname", "customer", "cliente"),
    ),
    ProfileField(
        "email",
        "Email",
        512,
        "email",
        ("mail", "correo", "correoelectronico", "emailaddress", "useremail", "billingemail"),
    ),
    ProfileField(
        "phone",
        "Phone",
        100,
        "phone",
        (
            "phonenumber",
            "telephone",
            "telefono",
            "telefone",
            "celular",
            "mobile",
            "movil",
            "mobilephone",
            "billingphone",
        ),
    ),
)
PROFILE_FIELD_NAMES = tuple(field.name for field in PROFILE_FIELDS)
MAX_LENGTHS = {"document_id": MAX_DOCUMENT_ID_LENGTH, **{field.name: field.max_length for field in PROFILE_FIELDS}}
"""In characters."""


class Customer(Base):
    """A customer: profile and segments.

    The columns of the profile are those of PROFILE_FIELDS. The table has only two full indexes, the key and (on
    PostgreSQL) the GIN on `segments`: every change of the segments writes an entry into every index of the table. What
    customers are found by is in `customer_search`. The third index holds only customers without segments.
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
    id: Mapped[int] = mapped_column(dialects.Id, server_default=FetchedValue())
    """An internal number that never changes and is never used again. SQLite numbers rows by it; PostgreSQL has no index
    on it: look-ups from an id to the current document_id go through `customer_search.id`."""
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    segments: Mapped[Segments] = mapped_column(dialects.Json)
    # The newest change of the segments, an entry of `customer_changes`, and what it replaced: an UPDATE can only return
    # new values, and the record needs the old ones. No foreign keys: they would be checked for every customer.
    part_id: Mapped[int | None] = mapped_column(dialects.Id)
    entry_number: Mapped[int | None]
    previous_segments: Mapped[Segments | None] = mapped_column(dialects.Json)
    previous_part_id: Mapped[int | None] = mapped_column(dialects.Id)
    previous_entry_number: Mapped[int | None]
    changed_at: Mapped[datetime | None] = column_property(
        select(ChangeSetPart.at).where(ChangeSetPart.id == part_id).scalar_subquery()
    )
    """Since when the customer has had these segments."""


class CustomerSearch(Base):
    """What customers are found and sorted by, beside their key; written only when a profile changes.

    `terms` is the text that `app.core.search.terms` makes of the searched fields. SQLite's full-text index refers to
    rows by `id`, which must survive a VACUUM.
    """

    __tablename__ = "customer_search"
    __table_args__ = (
        Index("ix_customer_search_name", "name", "document_id"),
        Index(
            "ix_customer_search_terms", "terms", postgresql_using="gin", postgresql_ops={"terms": "gin_trgm_ops"}
        ).ddl_if(dialect="postgresql"),  # where the server has pg_trgm
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False)
    """`customers.id`."""
    document_id: Mapped[str] = mapped_column(
        dialects.BytewiseString,
        ForeignKey("customers.document_id", onupdate="CASCADE", ondelete="CASCADE"),
        unique=True,
    )
    email: Mapped[str | None] = mapped_column(dialects.BytewiseString, index=True)
    name: Mapped[str | None] = mapped_column(dialects.BytewiseString)
    terms: Mapped[str | None] = mapped_column(dialects.BytewiseString)
    # The newest entry of `customer_changes` that is no change of the segments.
    part_id: Mapped[int | None] = mapped_column(dialects.Id)
    entry_number: Mapped[int | None]


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Return whether both databases can store `text`: no U+0000, no lone surrogates."""
    return "\0" not in text if text.isascii() else _UNSTORABLE.search(text) is None


def check_document_id(document_id: str) -> None:
    """Raise InvalidDocumentId unless a new customer may have this id."""
    if not 0 < len(document_id) <= MAX_DOCUMENT_ID_LENGTH or not is_storable(document_id):
        raise InvalidDocumentId


def replace_unstorable(text: str) -> str:
    """Return `text` with a replacement character for each one that cannot be stored."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def normalize_email(email: str) -> str:
    """Return the e-mail as it is compared: without case, invisible characters, or a difference of NFC and NFD."""
    if email.isascii():
        return email.lower()
    visible = "".join(character for character in email if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFC", visible.casefold())


# Reading one customer


def get_customer(document_id: str) -> Customer:
    """Return the customer. Raises CustomerNotFound."""
    found = db.session.get(Customer, document_id) if is_storable(document_id) else None
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    return found


def customer_exists(document_id: str) -> bool:
    query = select(Customer.document_id).where(Customer.document_id == document_id)
    return is_storable(document_id) and db.session.scalar(query) is not None


_SEGMENTS = select(Customer.__table__.c.segments).where(Customer.document_id == bindparam("key"))


def get_segments(document_id: str) -> Segments:
    """Return the customer's segments. Raises CustomerNotFound."""
    found = fetch_autocommit(_SEGMENTS, {"key": document_id}) if is_storable(document_id) else []
    if not found:
        raise CustomerNotFound("No customer has this document_id.")
    return found[0].segments  # type: ignore[no-any-return]


def select_segments(document_ids: Collection[str]) -> Select[Any]:
    """Return the query for (document_id, segments) of those of the document_ids that customers have."""
    ids = select(dialects.json_strings(list(document_ids)).c.value)
    return select(Customer.__table__.c.document_id, Customer.__table__.c.segments).where(Customer.document_id.in_(ids))


_SEGMENTS_BY_EMAIL = (
    select(Customer.__table__.c.segments)
    .join(CustomerSearch.__table__, CustomerSearch.document_id == Customer.document_id)
    .where(CustomerSearch.email == bindparam("key"))
    .limit(2)
)


def get_segments_by_email(email: str) -> Segments:
    """Return the segments of the one customer with this e-mail. Raises CustomerNotFound and AmbiguousEmail."""
    found = fetch_autocommit(_SEGMENTS_BY_EMAIL, {"key": normalize_email(email)}) if is_storable(email) else []
    if not found:
        raise CustomerNotFound("No customer has this e-mail.")
    if len(found) > 1:
        raise AmbiguousEmail("Several customers have this e-mail: use the document_id.")
    return found[0].segments  # type: ignore[no-any-return]


def has_customers() -> bool:
    return db.session.scalar(select(Customer.document_id).limit(1)) is not None
