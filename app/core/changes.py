"""The record of what changed: change sets, and what each did to each customer."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core import dialects
from app.core.customers import Segments
from app.core.database import Base, Moment


@dataclass(frozen=True)
class Actor:
    """Who changes something, and by what means: `Actor("token crm-nightly", "api")`."""

    name: str
    source: str


class ChangeSet(Base):
    """Everything that one request, form, file or undo changed."""

    __tablename__ = "change_sets"
    # Readers of the feed go by (transaction, id): ids are given out before commit, and what commits late would be lost.
    __table_args__ = (
        Index("ix_change_sets_transaction_number_id", "transaction_number", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    transaction_number: Mapped[int] = mapped_column(dialects.Id)
    at: Mapped[datetime] = mapped_column(Moment)
    actor: Mapped[str]
    source: Mapped[str]
    note: Mapped[str | None]
    changed: Mapped[int]
    unchanged: Mapped[int]


class SegmentChange(Base):
    """What one change set did to one customer.

    No index on `document_id`: writing to it cost twice what the row costs (270 ms against 120 for 10,000 customers).
    A customer's timeline is walked instead, from `customers.change_set_id` along `previous_change_set_id`.
    """

    __tablename__ = "segment_changes"

    change_set_id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False)
    document_id: Mapped[str] = mapped_column(dialects.DocumentId, primary_key=True)
    before: Mapped[Segments] = mapped_column(dialects.Json)
    after: Mapped[Segments] = mapped_column(dialects.Json)
    previous_change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
