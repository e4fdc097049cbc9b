"""The catalogue at two moments, side by side, and the size of one segment at many."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, tuple_

from app.core.counts.segment_deltas import all_deltas, sizes_at
from app.core.database import db
from app.core.history.timeline import check_retained
from app.core.models.change_sets import ChangeSetPart
from app.core.models.segments import SegmentPair

PAGE_SIZE = 1_000


class SizeChange(NamedTuple):
    """A segment, and how many customers had it at each of two moments."""

    type: str
    value: str
    earlier: int
    later: int

    @property
    def pair(self) -> SegmentPair:
        return SegmentPair(self.type, self.value)

    @property
    def delta(self) -> int:
        return self.later - self.earlier


def compare_catalogue(
    earlier: datetime, later: datetime, *, after: SegmentPair | None = None, only_changed: bool = False, limit: int
) -> list[SizeChange]:
    """Return the segments that any customer had at either moment, by type and value. Raises NoLongerRetained.

    Customers who were deleted since count as they did then.
    """
    check_retained(earlier)
    sizes = sizes_at(earlier, later).subquery("sizes")
    query = select(sizes).order_by(sizes.c.type, sizes.c.value).limit(limit)
    if only_changed:
        query = query.where(sizes.c.earlier != sizes.c.later)
    if after:
        query = query.where(tuple_(sizes.c.type, sizes.c.value) > tuple_(*after))
    return [SizeChange(type_, value, int(a), int(b)) for type_, value, a, b in db.session.execute(query)]


def iter_catalogue(earlier: datetime, later: datetime) -> Iterator[SizeChange]:
    """Yield all segments, as `compare_catalogue` returns them."""
    after: SegmentPair | None = None
    while page := compare_catalogue(earlier, later, after=after, limit=PAGE_SIZE):
        yield from page
        after = page[-1].pair


def compare_size(pair: SegmentPair, earlier: datetime, later: datetime) -> SizeChange:
    """Return the size of one segment at both moments. Raises NoLongerRetained."""
    check_retained(earlier)
    sizes = sizes_at(earlier, later).subquery("sizes")
    query = select(func.max(sizes.c.earlier), func.max(sizes.c.later))
    a, b = db.session.execute(query.where(sizes.c.type == pair.type, sizes.c.value == pair.value)).one()
    return SizeChange(*pair, int(a or 0), int(b or 0))


def sizes_at_moments(pair: SegmentPair, size: int, moments: Sequence[datetime]) -> list[int]:
    """Return what the size of a segment, `size` now, was at each of these moments, which ascend.

    Raises NoLongerRetained.
    """
    check_retained(moments[0])
    deltas = all_deltas()
    changes = (
        select(ChangeSetPart.at, deltas.c.delta)
        .join(ChangeSetPart, ChangeSetPart.id == deltas.c.part_id)
        .where(deltas.c.type == pair.type, deltas.c.value == pair.value, ChangeSetPart.at > moments[0])
        .order_by(ChangeSetPart.at)
    )
    later, sizes = list(db.session.execute(changes)), []
    for moment in reversed(moments):
        while later and later[-1].at > moment:
            size -= int(later.pop().delta)
        sizes.append(size)
    return sizes[::-1]
