"""Which nightly senders have not come today, and the record of the nights that they missed.

A night is missed once: of several processes, the one that inserts its row reports it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from app.access.api_tokens import list_tokens
from app.core import dialects
from app.core.database import db, run_in_transaction
from app.core.history.nightly_senders import OBSERVED_DAYS, LateSender, late_senders
from app.core.models.missed_nights import MissedNight

RETENTION = timedelta(days=365)

Notify = Callable[[Session, MissedNight], None]
"""Called in the transaction that records a missed night."""


def missing_senders(days: Sequence[datetime], moment: datetime) -> list[LateSender]:
    """Return who usually has come by now, and has not: without tokens that were used today or are no longer valid.

    `days` are the starts of OBSERVED_DAYS days and of today.
    """
    late = late_senders(days, moment)
    tokens = {f"token {token.name}": token for token in list_tokens()} if late else {}
    found = []
    for sender in late:
        token = tokens.get(sender.actor)
        is_here = token and (token.state != "active" or (token.last_used_at or days[0]) >= days[-1])
        found += [] if is_here else [sender]
    return found


def check_nights(zone: str, moment: datetime, notify: Notify) -> int:
    """Record the nights missed by a moment, and the end of those recorded before; return how many were missed anew.

    Days are those of the time zone `zone`. Raises Unavailable.
    """
    days = _days(ZoneInfo(zone), moment)
    missing = missing_senders(days, moment)
    keys = {(sender.actor, days[-1]) for sender in missing}
    stored = db.session.scalars(select(MissedNight).where(MissedNight.ended_at.is_(None)))
    if {(night.actor, night.day) for night in stored} == keys:
        return 0

    def work(session: Session) -> int:
        _end_others(session, keys, moment)
        nights = [_night(sender, days[-1], moment) for sender in missing]
        return sum(_record(session, night, notify) for night in nights)

    return run_in_transaction(work)


def _days(zone: ZoneInfo, moment: datetime) -> list[datetime]:
    """Return the moments at which OBSERVED_DAYS days and today began."""
    today = moment.astimezone(zone).date()
    days = [today - timedelta(days=ago) for ago in range(OBSERVED_DAYS, -1, -1)]
    return [datetime.combine(day, time(), zone).astimezone(UTC) for day in days]


def _night(sender: LateSender, day: datetime, moment: datetime) -> MissedNight:
    return MissedNight(
        actor=sender.actor,
        day=day,
        usually_by=sender.usually_by,
        last_at=sender.last_at,
        last_change_set_id=sender.last_change_set_id,
        missed_at=moment,
    )


def _record(session: Session, night: MissedNight, notify: Notify) -> bool:
    row = {column.name: getattr(night, column.name) for column in MissedNight.__table__.columns}
    is_new = dialects.insert_if_absent(session, MissedNight.__table__, row)
    if is_new:
        notify(session, night)
    return is_new


def _end_others(session: Session, keys: set[tuple[str, datetime]], moment: datetime) -> None:
    """End the missed nights that are over, and delete old ones."""
    key = tuple_(MissedNight.actor, MissedNight.day)
    over = update(MissedNight).where(MissedNight.ended_at.is_(None), key.not_in(keys))
    session.execute(over.values(ended_at=moment), execution_options={"synchronize_session": False})
    old = delete(MissedNight).where(MissedNight.day < moment - RETENTION)
    session.execute(old, execution_options={"synchronize_session": False})
