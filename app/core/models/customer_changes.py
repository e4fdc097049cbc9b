"""The record: what each change did to each customer."""

from typing import Any, Literal, get_args

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.core import dialects
from app.core.database import Base

Profile = dict[str, str | None]
"""`{"name": …, "email": …, "phone": …}`."""

Kind = Literal["segments", "profile", "created", "deleted", "renamed"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class CustomerChange(Base):
    """One entry of the record: what one part of a change set did to one customer.

    An entry is never rewritten. Only retention and erasure remove entries.

    A customer's entries are two chains, each entry with a pointer to the one before: changes of the segments, which
    begin at `customers`, and all others, which begin at `customer_search`. Timelines, erasure and disclosure walk them.
    There is no index on `customer_id` or `document_id`: to maintain one takes twice as long as to write the row.
    """

    __tablename__ = "customer_changes"

    part_id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Ascending within the part, with gaps."""
    kind: Mapped[Kind] = mapped_column(String)
    customer_id: Mapped[int] = mapped_column(dialects.Id)
    """`customers.id`, which no rename changes and no other customer ever gets."""
    document_id: Mapped[str] = mapped_column(dialects.BytewiseString)
    """The id that the customer had then."""
    before: Mapped[Any] = mapped_column(dialects.Json, nullable=True)
    after: Mapped[Any] = mapped_column(dialects.Json, nullable=True)
    """Segments or a `Profile`; of a renamed customer, `{"document_id": …}`."""
    previous_part_id: Mapped[int | None] = mapped_column(dialects.Id)
    previous_number: Mapped[int | None]


entries = CustomerChange.__table__

EntryKey = tuple[int, int]
"""An entry's part_id and number."""
