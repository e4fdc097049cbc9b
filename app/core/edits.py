"""What may be asked of `replace_segments`: whose segments, and what they become.

An edit is part of one UPDATE, so that it is decided on the customer as she is at that moment: two edits of one customer
at the same time come one after the other, and neither is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, FromClause, bindparam, select, true

from app.core import dialects
from app.core.changes import SegmentChange
from app.core.customers import Customer, Segments
from app.core.database import JsonText

customers = Customer.__table__.c
recorded = SegmentChange.__table__.c


Sent = dict[str, Any]
"""The parameters that an edit is made with."""


@dataclass(frozen=True, eq=False)
class Edit:
    """New segments for the customers in `rows`, whom parameters name when it is made: built once, made often.

    `document_id` and `segments` are columns of `rows`, or made from them and from the customer; a customer of whom
    `condition` does not hold is left alone.
    """

    rows: FromClause
    document_id: ColumnElement[str]
    segments: ColumnElement[Any]
    condition: ColumnElement[bool]


_wanted = dialects.entries(bindparam("wanted", type_=dialects.Json))

REPLACEMENT = Edit(_wanted, _wanted.c.key, _wanted.c.value, true())
"""Exactly the segments in `wanted`, `{document_id: segments}`."""


@dataclass(frozen=True)
class Merge:
    """Segments to take away from a customer, and to add to those that stay."""

    add: Segments
    remove: Segments


MERGE = Edit(
    _wanted,
    _wanted.c.key,
    dialects.merged(customers.segments, add=_wanted.c.value["add"], remove=_wanted.c.value["remove"]),
    true(),
)
"""Her own segments without those to remove, in their order, then those to add that she does not have yet.

Of `wanted`, `{document_id: {"add": segments, "remove": segments}}`.
"""


@dataclass(frozen=True)
class Asked:
    """An edit of many customers, as it will be sent: one text, a tenth of what their segments take in memory."""

    document_ids: list[str]
    """In the order in which they were asked for."""
    edit: Edit
    sent: Sent

    @staticmethod
    def of(wanted: Mapping[str, Segments] | Mapping[str, Merge]) -> "Asked":
        """The replacement or the merge that is wanted, `{document_id: segments}` or `{document_id: Merge}`."""
        if isinstance(next(iter(wanted.values()), None), Merge):
            merges = cast(Mapping[str, Merge], wanted)
            told = {id_: {"add": _distinct(one.add), "remove": one.remove} for id_, one in merges.items()}
            return Asked(list(wanted), MERGE, {"wanted": JsonText.of(told)})
        return Asked(list(wanted), REPLACEMENT, {"wanted": JsonText.of(wanted)})


def _distinct(segments: Segments) -> Segments:
    return list({(segment["type"], segment["value"]): segment for segment in segments}.values())


_part = (
    select(recorded.document_id, recorded.before, recorded.after)
    .where(
        recorded.change_set_id == bindparam("reverted", type_=dialects.Id),
        recorded.document_id > bindparam("after", type_=dialects.Exact),
    )
    .order_by(recorded.document_id)
    .limit(bindparam("most", type_=dialects.Id))
    .subquery("part")
)

REVERSAL = Edit(_part, _part.c.document_id, _part.c.before, customers.segments == _part.c.after)
"""What the change set `reverted` replaced, for customers who still hold what it gave them.

Of the change set, the `most` customers next `after` a document_id: one of any size is undone in parts.
"""
