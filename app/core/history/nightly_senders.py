"""Tokens and commands that change customers every night, and those that have not come today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from sqlalchemy import case, func, select

from app.core.database import db
from app.core.models.change_sets import ChangeSet

OBSERVED_DAYS = 14
MIN_DAYS = 11
"""Days of those on which a nightly sender came: more than a sender comes who rests on weekends."""
MAX_PER_DAY = 24
"""Change sets of a nightly sender on an average day; others send all day long."""
SPREAD = timedelta(hours=1)
"""How far from its usual time a nightly sender begins, on most days."""
GRACE = timedelta(hours=1)
"""After the usual time, before it counts as late."""
ROUNDING = timedelta(minutes=15)


@dataclass(frozen=True)
class LateSender:
    """A sender who usually has come by now."""

    actor: str
    usually_by: datetime
    """The moment today by which its first change set is usually there."""
    last_at: datetime
    """When it came on the last day on which it did, and the change set that it left then."""
    last_change_set_id: int


class Arrival(NamedTuple):
    """The first change set of a sender on one day."""

    at: datetime
    change_set_id: int


def late_senders(days: Sequence[datetime], moment: datetime) -> list[LateSender]:
    """Return who is late at a moment; `days` are the starts of OBSERVED_DAYS days and of today.

    A night in which nothing had to be changed leaves no change set: the caller may know better that a sender was here.
    """
    today = days[-1]
    late = []
    for actor, first in _first_by_day(days).items():
        usual = _usual_offset(days, first)
        if usual is not None and len(days) - 1 not in first and moment > today + usual + GRACE:
            late.append(LateSender(actor, today + usual, *max(first.values())))
    return late


def _first_by_day(days: Sequence[datetime]) -> dict[str, dict[int, Arrival]]:
    """Return `{actor: {index of the day: arrival}}`, without those who send all day long."""
    ends = [(ChangeSet.at < end, number) for number, end in enumerate(days[1:])]
    day = case(*ends, else_=len(days) - 1).label("day")
    query = (
        select(ChangeSet.actor, day, func.min(ChangeSet.at), func.min(ChangeSet.id), func.count())
        .where(ChangeSet.at >= days[0], ChangeSet.source.in_(("api", "command")), ChangeSet.reverts.is_(None))
        .group_by(ChangeSet.actor, day)
        .order_by(ChangeSet.actor)
    )
    found: dict[str, dict[int, Arrival]] = {}
    numbers: dict[str, int] = {}
    for actor, number_of_day, at, change_set_id, number in db.session.execute(query):
        found.setdefault(actor, {})[number_of_day] = Arrival(at, change_set_id)
        numbers[actor] = numbers.get(actor, 0) + number
    return {actor: first for actor, first in found.items() if numbers[actor] <= MAX_PER_DAY * len(first)}


def _usual_offset(days: Sequence[datetime], first: dict[int, Arrival]) -> timedelta | None:
    """Return how long after the start of a day the sender usually has come; None if there is no such time."""
    offsets = [first[day].at - days[day] for day in first if day < len(days) - 1]
    if len(offsets) < MIN_DAYS:
        return None
    middle = timedelta(seconds=median(offset.total_seconds() for offset in offsets))
    usual = [offset for offset in offsets if abs(offset - middle) <= SPREAD]
    if len(usual) < MIN_DAYS:
        return None
    return -(-max(usual) // ROUNDING) * ROUNDING
