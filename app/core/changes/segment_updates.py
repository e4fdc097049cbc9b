"""Updates of segments: of which customers, to what, and the one statement that does it.

An update is part of one UPDATE statement, so that it is decided on the customer as they are at that moment: concurrent
updates of one customer come one after the other, and none is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, cast

import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    false,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy import update as update_statement

from app.core import dialects
from app.core.database import JsonText, UtcDateTime
from app.core.models.change_sets import ChangeSetPart, FeedPosition
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import Customer
from app.core.models.segment_limit import over_limit
from app.core.models.segments import Segments

customers = Customer.__table__.c
parts = ChangeSetPart.__table__.c

Parameters = dict[str, Any]
"""The parameters of an update."""


@dataclass(frozen=True, eq=False)
class SegmentUpdate:
    """New segments for the customers in `rows`, whom the parameters name: built once, run often.

    `document_id`, `ordinality` (1, 2, …, different for each row) and `segments` are columns of `rows`, or computed from
    them and from the customer; a customer for whom `condition` is false is left alone.
    """

    rows: FromClause
    document_id: ColumnElement[str]
    ordinality: ColumnElement[int]
    segments: ColumnElement[Any]
    condition: ColumnElement[bool]


_payload = dialects.json_entries(bindparam("payload", type_=dialects.Json))

REPLACE = SegmentUpdate(_payload, _payload.c.key, _payload.c.ordinality, _payload.c.value, true())
"""Replaces all segments by those in `payload`, `{document_id: segments}`."""

REPLACE_EXPECTED = SegmentUpdate(
    _payload,
    _payload.c.key,
    _payload.c.ordinality,
    _payload.c.value["segments"],
    customers.segments == _payload.c.value["expected"],
)
"""The same, for customers who have the segments expected: `{document_id: {"expected": segments, "segments": …}}`."""


@dataclass(frozen=True)
class SegmentPatch:
    """Segments to remove from a customer, and to add to those that stay."""

    add: Segments
    remove: Segments


PATCH = SegmentUpdate(
    _payload,
    _payload.c.key,
    _payload.c.ordinality,
    dialects.patch_segments(customers.segments, add=_payload.c.value["add"], remove=_payload.c.value["remove"]),
    true(),
)
"""The customer's segments without those to remove, in their order, then those to add that are not among them.

Of `payload`, `{document_id: {"add": segments, "remove": segments}}`.
"""


@dataclass(frozen=True)
class PreparedUpdate:
    """An update of many customers, serialized: it takes a tenth of the memory of their segments."""

    document_ids: list[str]
    """In the order of the request."""
    update: SegmentUpdate
    parameters: Parameters

    @staticmethod
    def of(payload: Mapping[str, Segments] | Mapping[str, SegmentPatch]) -> "PreparedUpdate":
        """Return the update for `{document_id: segments}` or `{document_id: SegmentPatch}`."""
        # Copies: the strings of a body lie between its objects, and each would keep a block of their memory.
        document_ids = orjson.loads(orjson.dumps(list(payload)))
        if isinstance(next(iter(payload.values()), None), SegmentPatch):
            patches = cast(Mapping[str, SegmentPatch], payload)
            rows = {id_: {"add": _distinct(patch.add), "remove": patch.remove} for id_, patch in patches.items()}
            return PreparedUpdate(document_ids, PATCH, {"payload": JsonText.of(rows)})
        return PreparedUpdate(document_ids, REPLACE, {"payload": JsonText.of(payload)})


def _distinct(segments: Segments) -> Segments:
    return list({(segment["type"], segment["value"]): segment for segment in segments}.values())


# An update as a statement


@dataclass(frozen=True)
class Version:
    """The segments of a customer as the part with this id left them; None if they never changed."""

    part_id: int | None


@dataclass(frozen=True)
class MomentExcept:
    """A moment; what these change sets changed after it is no later change."""

    moment: datetime
    change_sets: tuple[int, ...]


AsOf = datetime | MomentExcept | FeedPosition | Version | None
"""Customers whose segments changed after this moment or place, or since this version of them, are left alone."""

StalenessCheck = Literal["none", "version", "moment", "moment_except", "position"]

HISTORY_COLUMNS: dict[str, ColumnElement[Any]] = {
    "part_id": customers.part_id,
    "number": customers.entry_number,
    "kind": literal_column("'segments'"),
    "customer_id": customers.id,
    "document_id": customers.document_id,
    "before": customers.previous_segments,
    "after": customers.segments,
    "previous_part_id": customers.previous_part_id,
    "previous_number": customers.previous_entry_number,
}
"""The columns of `customer_changes`, as an updated row of `customers` has them."""


_max_segments = bindparam("max_segments", type_=Integer)


@lru_cache(maxsize=32)
def build_update(update: SegmentUpdate, check: StalenessCheck, *, limited: bool = False) -> dialects.UpdateWithHistory:
    """Return an update as a statement. If it is `limited`, customers who would have too many segments are left alone.

    Customers whose segments do not change are not written: no row, no history, no index work. Staleness is checked on
    the row that is about to be written, not on an earlier read of it.
    """
    changes = (
        update_statement(Customer.__table__)
        .where(
            customers.document_id == update.document_id,
            customers.segments.is_distinct_from(update.segments),
            update.condition,
            not_(_is_stale(check)),
            not_(over_limit(customers.segments, update.segments, _max_segments)) if limited else true(),
        )
        .values(
            segments=update.segments,
            previous_segments=customers.segments,
            part_id=bindparam("part_id", type_=dialects.Id),
            entry_number=bindparam("number_base", type_=dialects.Id) + update.ordinality,
            previous_part_id=customers.part_id,
            previous_entry_number=customers.entry_number,
        )
    )
    return dialects.UpdateWithHistory(changes, returning=HISTORY_COLUMNS, into=CustomerChange.__table__)


@lru_cache(maxsize=32)
def select_over_limit(update: SegmentUpdate, check: StalenessCheck) -> Select[Any]:
    """Return the query for the customers whom an update left alone because they would have too many segments."""
    return select(customers.document_id).where(
        customers.document_id == update.document_id,
        over_limit(customers.segments, update.segments, _max_segments),
        update.condition,
        not_(_is_stale(check)),
    )


def staleness_check(as_of: AsOf) -> StalenessCheck:
    """Return the check that an `as_of` needs."""
    if as_of is None:
        return "none"
    if isinstance(as_of, Version):
        return "version"
    if isinstance(as_of, MomentExcept):
        return "moment_except"
    return "position" if isinstance(as_of, FeedPosition) else "moment"


def _is_stale(check: StalenessCheck) -> ColumnElement[bool]:
    """Return whether a customer changed after what `as_of_parameters` names.

    A part that this statement cannot see yet, because its transaction committed after the statement began and the
    statement then waited for the row, is a later change: hence "no part that is early enough", not "a part that is
    late". A part exists as long as a customer refers to it.
    """
    if check == "none":
        return false()
    if check == "version":
        return customers.part_id.is_distinct_from(bindparam("seen", type_=dialects.Id))
    if check in ("moment", "moment_except"):
        early_enough = parts.at <= bindparam("seen", type_=UtcDateTime)
        if check == "moment_except":
            exceptions = dialects.json_strings(bindparam("exceptions", type_=dialects.Json))
            early_enough |= parts.change_set_id.in_(select(sql_cast(exceptions.c.value, dialects.Id)))
    else:
        seen = bindparam("seen", type_=dialects.Id)
        last = and_(parts.position == seen, customers.entry_number <= bindparam("seen_number", type_=dialects.Id))
        early_enough = or_(parts.position < seen, last)
    early = exists().where(parts.id == customers.part_id, early_enough).correlate(Customer.__table__)
    return and_(customers.part_id.is_not(None), not_(early))


def as_of_parameters(as_of: AsOf) -> Parameters:
    """Return the parameters of the check."""
    if as_of is None:
        return {}
    if isinstance(as_of, FeedPosition):
        return {"seen": as_of.position, "seen_number": as_of.number}
    if isinstance(as_of, MomentExcept):
        return {"seen": as_of.moment, "exceptions": [str(id_) for id_ in as_of.change_sets]}
    return {"seen": as_of.part_id if isinstance(as_of, Version) else as_of}


@lru_cache(maxsize=4)
def select_missing_or_stale(check: StalenessCheck) -> Select[Any]:
    """Return the query for missing or stale customers among `remaining`, as (document_id, exists).

    Unchanged customers are omitted: they are nearly all rows of a nightly file.
    """
    remaining = dialects.json_strings(bindparam("remaining", type_=dialects.Json))
    found = remaining.outerjoin(Customer.__table__, customers.document_id == remaining.c.value)
    is_there = customers.document_id.is_not(None)
    return select(remaining.c.value, is_there).select_from(found).where(or_(not_(is_there), _is_stale(check)))


@lru_cache(maxsize=1)
def select_recent() -> Select[Any]:
    """Return the query for whether any of `remaining` changed after the moment `recent` and not after `seen`."""
    remaining = dialects.json_strings(bindparam("remaining", type_=dialects.Json))
    found = remaining.join(Customer.__table__, customers.document_id == remaining.c.value)
    found = found.join(ChangeSetPart.__table__, parts.id == customers.part_id)
    recent = parts.at > bindparam("recent", type_=UtcDateTime)
    return (
        select(literal_column("1"))
        .select_from(found)
        .where(recent, parts.at <= bindparam("seen", type_=UtcDateTime))
        .limit(1)
    )
