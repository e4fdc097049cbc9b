"""Everything that was done to one customer: changes of segments and of the profile, in one list."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.core.database import db
from app.core.errors import CustomerNotFound
from app.core.history.chains import chain_key, read_chain
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customer_changes import CustomerChange, EntryKey
from app.core.models.customers import Customer, CustomerSearch

NO_ENTRY: EntryKey = (0, 0)


@dataclass(frozen=True)
class HistoryEntry:
    """One entry about a customer: by which change set, when, and what it did."""

    change_set: ChangeSet
    part: ChangeSetPart
    change: CustomerChange

    @property
    def at(self) -> datetime:
        return self.part.at


@dataclass(frozen=True)
class HistoryPage:
    entries: list[HistoryEntry]
    """Newest first."""
    next_entries: tuple[EntryKey, EntryKey] | None
    """Where the older ones begin, in each of the two chains: `customer_history(…, start=…)`; None if there are none."""
    is_recorded: bool
    """Whether anything was ever recorded: if so, an empty page means that it is no longer kept."""


def customer_history(document_id: str, *, limit: int, start: tuple[EntryKey, EntryKey] | None = None) -> HistoryPage:
    """Return the entries about a customer, newest first, from `start` on or from the newest. Raises CustomerNotFound.

    Segments and profile have a chain each, walked by key and merged by the order of the feed.
    """
    heads = start or _heads(document_id)
    found = [entry for head in heads if head != NO_ENTRY for entry in _read(document_id, head, limit + 1)]
    found.sort(key=lambda entry: (entry.part.position, entry.change.number), reverse=True)
    following = (_first_segments(found[limit:]), _first_other(found[limit:])) if len(found) > limit else None
    return HistoryPage(found[:limit], following, heads != (NO_ENTRY, NO_ENTRY))


def _heads(document_id: str) -> tuple[EntryKey, EntryKey]:
    """Return the keys of a customer's newest entries: of the segments, and of all else."""
    query = (
        select(Customer.part_id, Customer.entry_number, CustomerSearch.part_id, CustomerSearch.entry_number)
        .join(CustomerSearch, CustomerSearch.document_id == Customer.document_id)
        .where(Customer.document_id == document_id)
    )
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    return chain_key(found[0], found[1]) or NO_ENTRY, chain_key(found[2], found[3]) or NO_ENTRY


def _read(document_id: str, head: EntryKey, limit: int) -> Iterable[HistoryEntry]:
    return [HistoryEntry(*row) for row in read_chain(document_id, head, limit)]


def _first_segments(entries: Iterable[HistoryEntry]) -> EntryKey:
    return next((_key(entry) for entry in entries if entry.change.kind == "segments"), NO_ENTRY)


def _first_other(entries: Iterable[HistoryEntry]) -> EntryKey:
    return next((_key(entry) for entry in entries if entry.change.kind != "segments"), NO_ENTRY)


def _key(entry: HistoryEntry) -> EntryKey:
    return entry.change.part_id, entry.change.number
