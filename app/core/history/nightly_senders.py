"""Tokens and commands that change customers every night, and those that have not come today."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select

from app.core.database import db
from app.core.days import start_of_day
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


MIDNIGHT, NOON = 0, 12


@dataclass(frozen=True)
class LateSender:
    """A sender who usually has come by now."""

    actor: str
    day: datetime
    """The moment at which the day began on which it has not come: at midnight, or at noon before the night."""
    usually_by: datetime
    """The moment of this day by which its first change set is usually there."""
    last_at: datetime
    """When it came on the last day on which it did, and the change set that it left then."""
    last_change_set_id: int


class Arrival(NamedTuple):
    """The first change set of a sender on one day."""

    at: datetime
    change_set_id: int


@dataclass(frozen=True)
class Habit:
    """When a sender usually comes: how long after the starts of `days`, of which the last one is today."""

    days: Sequence[datetime]
    arrivals: dict[int, Arrival]
    usual: list[timedelta]

    @property
    def is_clear(self) -> bool:
        """Whether it comes on the same day if it is early, and is found late before the day ends."""
        return min(self.usual) >= SPREAD and max(self.usual) <= timedelta(days=1) - GRACE - SPREAD

    def late(self, actor: str, moment: datetime) -> LateSender | None:
        today = self.days[-1]
        usually_by = today - (-max(self.usual) // ROUNDING) * ROUNDING
        if len(self.days) - 1 in self.arrivals or moment <= usually_by + GRACE:
            return None
        return LateSender(actor, today, usually_by, *max(self.arrivals.values()))


def late_senders(zone: ZoneInfo, moment: datetime) -> list[LateSender]:
    """Return who is late at a moment. Days are those of a time zone, and for senders about midnight begin at noon.

    A night in which nothing had to be changed leaves no change set: the caller may know better that a sender was here.
    """
    habits: dict[str, list[Habit]] = {}
    divisions = [_days(zone, moment, hour) for hour in (MIDNIGHT, NOON)]
    half_days = _first_by_half_day(sorted({start for days in divisions for start in days}))
    for days in divisions:
        for actor, arrivals in _first_by_day(days, half_days).items():
            if usual := _usual_offsets(days, arrivals):
                habits.setdefault(actor, []).append(Habit(days, arrivals, usual))
    clearest = {actor: next((habit for habit in found if habit.is_clear), found[0]) for actor, found in habits.items()}
    return [late for actor, habit in sorted(clearest.items()) if (late := habit.late(actor, moment))]


def _days(zone: ZoneInfo, moment: datetime, hour: int) -> list[datetime]:
    """Return the moments at which OBSERVED_DAYS days and today began, at an hour."""
    today = (moment.astimezone(zone) - timedelta(hours=hour)).date()
    return [start_of_day(today - timedelta(days=ago), zone, hour) for ago in range(OBSERVED_DAYS, -1, -1)]


def _first_by_half_day(starts: Sequence[datetime]) -> list[tuple[datetime, str, Arrival, int]]:
    """Return (start of the half day, sender, arrival, number of its change sets)."""
    ends = [(ChangeSet.at < end, number) for number, end in enumerate(starts[1:])]
    half_day = case(*ends, else_=len(starts) - 1).label("half_day")
    query = (
        select(half_day, ChangeSet.actor, func.min(ChangeSet.at), func.min(ChangeSet.id), func.count())
        .where(ChangeSet.at >= starts[0], ChangeSet.source.in_(("api", "command")), ChangeSet.reverts.is_(None))
        .group_by(half_day, ChangeSet.actor)
        .order_by(ChangeSet.actor)
    )
    return [
        (starts[index], actor, Arrival(at, id_), count) for index, actor, at, id_, count in db.session.execute(query)
    ]


def _first_by_day(
    days: Sequence[datetime], half_days: Iterable[tuple[datetime, str, Arrival, int]]
) -> dict[str, dict[int, Arrival]]:
    """Return `{actor: {index of the day: arrival}}`, without those who send all day long."""
    found: dict[str, dict[int, Arrival]] = {}
    numbers: Counter[str] = Counter()
    for start, actor, arrival, number in half_days:
        day = bisect_right(days, start) - 1
        if day >= 0:
            first = found.setdefault(actor, {})
            first[day] = min(first.get(day, arrival), arrival)
            numbers[actor] += number
    return {actor: first for actor, first in found.items() if numbers[actor] <= MAX_PER_DAY * len(first)}


def _usual_offsets(days: Sequence[datetime], first: dict[int, Arrival]) -> list[timedelta]:
    """Return how long after the starts of days the sender usually has come; empty if there is no such time."""
    offsets = [first[day].at - days[day] for day in first if day < len(days) - 1]
    if len(offsets) < MIN_DAYS:
        return []
    middle = timedelta(seconds=median(offset.total_seconds() for offset in offsets))
    usual = [offset for offset in offsets if abs(offset - middle) <= SPREAD]
    return usual if len(usual) >= MIN_DAYS else []
