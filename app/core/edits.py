"""What may be asked of `replace_segments`: whose segments, and what they become.

An edit is part of one UPDATE, so that it is decided on the customer as she is at that moment: two edits of one customer
at the same time come one after the other, and neither is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, FromClause, select, true

from app.core import dialects
from app.core.changes import SegmentChange
from app.core.customers import Customer, Segments

customers = Customer.__table__.c
recorded = SegmentChange.__table__.c


@dataclass(frozen=True)
class Edit:
    """New segments for the customers in `rows`.

    `document_id` and `segments` are columns of `rows`, or made from them and from the customer; a customer of whom
    `condition` does not hold is left alone.
    """

    rows: FromClause
    document_id: ColumnElement[str]
    segments: ColumnElement[Any]
    condition: ColumnElement[bool]


def replacement(wanted: Mapping[str, Segments]) -> Edit:
    """Exactly the segments given, `{document_id: segments}`."""
    rows = dialects.entries(wanted)
    return Edit(rows, rows.c.key, rows.c.value, true())


@dataclass(frozen=True)
class Merge:
    """Segments to take away from a customer, and to add to those that stay."""

    add: Segments
    remove: Segments


def merge(wanted: Mapping[str, Merge]) -> Edit:
    """Her own segments without those to remove, in their order, then those to add that she does not have yet."""
    rows = dialects.entries({id_: {"add": _distinct(one.add), "remove": one.remove} for id_, one in wanted.items()})
    merged = dialects.merged(customers.segments, add=rows.c.value["add"], remove=rows.c.value["remove"])
    return Edit(rows, rows.c.key, merged, true())


def _distinct(segments: Segments) -> Segments:
    return list({(segment["type"], segment["value"]): segment for segment in segments}.values())


def edit_of(wanted: Mapping[str, Segments] | Mapping[str, Merge]) -> Edit:
    if isinstance(next(iter(wanted.values()), None), Merge):
        return merge(cast(Mapping[str, Merge], wanted))
    return replacement(cast(Mapping[str, Segments], wanted))


def reversal(change_set_id: int, after: str, most: int) -> Edit:
    """What a change set replaced, for customers who still hold what it gave them.

    Of the change set, the `most` customers next `after` a document_id: one of any size is undone in parts.
    """
    part = (
        select(recorded.document_id, recorded.before, recorded.after)
        .where(recorded.change_set_id == change_set_id, recorded.document_id > after)
        .order_by(recorded.document_id)
        .limit(most)
        .subquery("part")
    )
    return Edit(part, part.c.document_id, part.c.before, customers.segments == part.c.after)
