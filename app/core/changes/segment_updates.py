"""What may be asked of `replace_segments`: whose segments, what they become, and the one statement that does it.

An edit is part of one UPDATE, so that it is decided on the customer as she is at that moment: two edits of one customer
at the same time come one after the other, and neither is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, false, not_, or_, select, true, update

from app.core import dialects
from app.core.database import JsonText, UtcDateTime
from app.core.models.change_sets import SegmentChange
from app.core.models.customers import Customer
from app.core.models.segments import Segments, distinct_pairs

customers = Customer.__table__.c
recorded = SegmentChange.__table__.c


Parameters = dict[str, Any]
"""The parameters that an edit is made with."""


@dataclass(frozen=True, eq=False)
class SegmentUpdate:
    """New segments for the customers in `rows`, whom parameters name when it is made: built once, made often.

    `document_id` and `segments` are columns of `rows`, or made from them and from the customer; a customer of whom
    `condition` does not hold is left alone.
    """

    rows: FromClause
    document_id: ColumnElement[str]
    segments: ColumnElement[Any]
    condition: ColumnElement[bool]


_payload = dialects.json_entries(bindparam("wanted", type_=dialects.Json))

REPLACE = SegmentUpdate(_payload, _payload.c.key, _payload.c.value, true())
"""Exactly the segments in `wanted`, `{document_id: segments}`."""


@dataclass(frozen=True)
class SegmentPatch:
    """Segments to take away from a customer, and to add to those that stay."""

    add: Segments
    remove: Segments


PATCH = SegmentUpdate(
    _payload,
    _payload.c.key,
    dialects.patch_segments(customers.segments, add=_payload.c.value["add"], remove=_payload.c.value["remove"]),
    true(),
)
"""Her own segments without those to remove, in their order, then those to add that she does not have yet.

Of `wanted`, `{document_id: {"add": segments, "remove": segments}}`.
"""


@dataclass(frozen=True)
class PreparedUpdate:
    """An edit of many customers, as it will be sent: one text, a tenth of what their segments take in memory."""

    document_ids: list[str]
    """In the order in which they were asked for."""
    edit: SegmentUpdate
    sent: Parameters

    @staticmethod
    def of(wanted: Mapping[str, Segments] | Mapping[str, SegmentPatch]) -> "PreparedUpdate":
        """The replacement or the merge that is wanted, `{document_id: segments}` or `{document_id: Merge}`."""
        if isinstance(next(iter(wanted.values()), None), SegmentPatch):
            merges = cast(Mapping[str, SegmentPatch], wanted)
            told = {id_: {"add": _distinct(one.add), "remove": one.remove} for id_, one in merges.items()}
            return PreparedUpdate(list(wanted), PATCH, {"wanted": JsonText.of(told)})
        return PreparedUpdate(list(wanted), REPLACE, {"wanted": JsonText.of(wanted)})


def _distinct(segments: Segments) -> Segments:
    return [pair.to_dict() for pair in distinct_pairs(segments)]


_batch = (
    select(recorded.document_id, recorded.before, recorded.after)
    .where(
        recorded.change_set_id == bindparam("reverted", type_=dialects.Id),
        recorded.document_id > bindparam("after", type_=dialects.BytewiseString),
    )
    .order_by(recorded.document_id)
    .limit(bindparam("most", type_=dialects.Id))
    .subquery("part")
)

REVERT = SegmentUpdate(_batch, _batch.c.document_id, _batch.c.before, customers.segments == _batch.c.after)
"""What the change set `reverted` replaced, for customers who still hold what it gave them.

Of the change set, the `most` customers next `after` a document_id: one of any size is undone in parts.
"""


# An edit as a statement


@dataclass(frozen=True)
class Version:
    """A customer as the change set with this id left her; None if her segments were never changed."""

    change_set_id: int | None


AsOf = datetime | Version | None
"""Who was changed after that moment, or since that version of her, is left alone."""

StalenessCheck = Literal["anyone", "version", "moment"]

HISTORY_COLUMNS: dict[str, ColumnElement[Any]] = {
    "change_set_id": customers.change_set_id,
    "document_id": customers.document_id,
    "before": customers.previous_segments,
    "after": customers.segments,
    "previous_change_set_id": customers.previous_change_set_id,
}
"""The columns of `segment_changes`, as an updated row of `customers` tells them."""


@lru_cache(maxsize=16)
def build_update(edit: SegmentUpdate, as_of: StalenessCheck) -> dialects.UpdateWithHistory:
    """The edit as a statement.

    Customers who hold what is wanted already are not written: no row, no history, no index work. Whether one was
    changed after `as_of` is asked of the row that is about to be written, not of an earlier look at it.
    """
    made_in = bindparam("made_in", type_=dialects.Id)
    changes = (
        update(Customer.__table__)
        .where(
            customers.document_id == edit.document_id,
            customers.segments.is_distinct_from(edit.segments),
            edit.condition,
            not_(_changed_after(as_of)),
        )
        .values(
            segments=edit.segments,
            previous_segments=customers.segments,
            changed_at=bindparam("made_at", type_=UtcDateTime),
            change_set_id=made_in,
            previous_change_set_id=customers.change_set_id,
        )
    )
    return dialects.UpdateWithHistory(changes, returning=HISTORY_COLUMNS, into=SegmentChange.__table__)


def staleness_check(as_of: AsOf) -> StalenessCheck:
    if as_of is None:
        return "anyone"
    return "version" if isinstance(as_of, Version) else "moment"


def _changed_after(as_of: StalenessCheck) -> ColumnElement[bool]:
    """Whether a customer was changed after what `as_of_parameters` sends."""
    if as_of == "anyone":
        return false()
    if as_of == "version":
        return customers.change_set_id.is_distinct_from(bindparam("seen", type_=dialects.Id))
    return and_(customers.changed_at.is_not(None), customers.changed_at > bindparam("seen", type_=UtcDateTime))


def as_of_parameters(as_of: AsOf) -> Parameters:
    return {} if as_of is None else {"seen": as_of.change_set_id if isinstance(as_of, Version) else as_of}


@lru_cache(maxsize=3)
def select_missing_or_stale(as_of: StalenessCheck) -> Select[Any]:
    """Which of the `rest` are not there, or were changed after `as_of`, and whether they are there; none of the others.

    A nightly file is mostly what is stored: to tell those who hold what was sent already would be to tell nearly all.
    """
    rest = dialects.json_strings(bindparam("rest", type_=dialects.Json))
    found = rest.outerjoin(Customer.__table__, customers.document_id == rest.c.value)
    is_there = customers.document_id.is_not(None)
    return select(rest.c.value, is_there).select_from(found).where(or_(not_(is_there), _changed_after(as_of)))
