"""Customers as they are, with the pointers to their newest entries: what reverts, erasure and disclosure start from."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Row, Select, select

from app.core.models.customer_changes import Profile
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer, CustomerSearch
from app.core.models.segments import Segments

customers, search = Customer.__table__.c, CustomerSearch.__table__.c


@dataclass(frozen=True)
class Current:
    """A customer as they are, with the pointers to their newest entries."""

    id: int
    document_id: str
    profile: Profile
    segments: Segments
    part_id: int | None
    entry_number: int | None
    profile_part_id: int | None
    profile_entry_number: int | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the customer of a row of `select_customers`."""
        columns = dict(row._mapping)
        profile = {name: columns.pop(name) for name in PROFILE_FIELD_NAMES}
        return cls(profile=profile, **columns)


def select_customers() -> Select[Any]:
    """Return the query for the columns of `Current`."""
    return select(
        customers.id,
        customers.document_id,
        *(customers[name] for name in PROFILE_FIELD_NAMES),
        customers.segments,
        customers.part_id,
        customers.entry_number,
        search.part_id.label("profile_part_id"),
        search.entry_number.label("profile_entry_number"),
    ).join(CustomerSearch, search.document_id == customers.document_id)
