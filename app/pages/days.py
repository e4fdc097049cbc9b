"""Days of the operator's time zone, and the moments at which they begin and end."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import get_timezone
from flask_babel import gettext as _

from app.core import days
from app.core.database import now
from app.pages.list_query import InvalidRequest, parse_filter_form

DEFAULT_SPAN = timedelta(days=7)


@dataclass(frozen=True)
class TwoDays:
    """Two days to compare, as a form has them."""

    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Days:
    """The earlier and the later of two days."""

    earlier: date
    later: date

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """The ends of both days."""
        return end_of_day(self.earlier), end_of_day(self.later)

    @property
    def parameters(self) -> dict[str, str]:
        return {"start": self.earlier.isoformat(), "end": self.later.isoformat()}


def today() -> date:
    return now().astimezone(time_zone()).date()


def last_days(count: int) -> list[date]:
    """Return the last days, today as the last one."""
    return [today() - timedelta(days=ago) for ago in range(count - 1, -1, -1)]


def start_of_day(day: date) -> datetime:
    """Return the moment at which a day begins where the operator is."""
    return days.start_of_day(day, time_zone())


def start_of_next_day(day: date) -> datetime:
    """Return the moment at which a day has passed where the operator is."""
    return start_of_day(day + timedelta(days=1) if day < date.max else day)


def end_of_day(day: date) -> datetime:
    """Return the moment at which a day ends where the operator is; of today, the present moment."""
    return min(start_of_next_day(day), now())


def parse_two_days() -> tuple[Days, dict[str, str]]:
    """Return the days in the URL, by default a week ago and today; and the error message of each invalid parameter."""
    query, errors = parse_filter_form(TwoDays)
    for name, day in (("start", query.start), ("end", query.end)):
        if day and day > today():
            errors[name] = str(_("Choose a day that isn't in the future."))
    end = today() if errors else query.end or today()
    start = None if errors else query.start
    start = start or end - DEFAULT_SPAN
    return Days(min(start, end), max(start, end)), errors


def parse_two_valid_days() -> Days:
    """Return the days in the URL. Raises InvalidRequest."""
    two_days, errors = parse_two_days()
    if errors:
        raise InvalidRequest(next(iter(errors.values())))
    return two_days


def time_zone() -> ZoneInfo:
    """Return the time zone of the operator."""
    return ZoneInfo(str(get_timezone()))
