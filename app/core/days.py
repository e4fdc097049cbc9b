"""Days of a time zone and hours of UTC, and the moments at which they begin."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def start_of_day(day: date, zone: ZoneInfo, hour: int = 0) -> datetime:
    """Return the moment at which a day begins in a time zone, or an hour of it."""
    try:
        return datetime.combine(day, time(hour), zone).astimezone(UTC)
    except OverflowError:  # the first day or the last one that there is
        return datetime.combine(day, time(hour), UTC)


def start_of_hour(moment: datetime) -> datetime:
    """Return the moment at which the hour of a moment began."""
    return moment.replace(minute=0, second=0, microsecond=0)
