"""Which nightly senders have not come today, and the record of the nights that they missed.

A night is missed once: of several processes, the one that inserts its row reports it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from app.access.api_tokens import list_tokens
from app.core import dialects
from app.core.database import db, run_in_transaction
from app.core.history.nightly_senders import LateSender, late_senders
from app.core.models.missed_nights import MissedNight

RETENTION = timedelta(days=365)

Notify = Callable[[Session, MissedNight], None]
"""Called in the transaction that records a missed night."""


def missing_senders(zone: ZoneInfo, moment: datetime) -> list[LateSender]:
    """Return who usually has come by now, and has not: without tokens that were used today or are no longer valid."""
    late = late_senders(zone, moment)
    tokens = {f"token {token.name}": token for token in list_tokens()} if late else {}
    found = []
    for sender in late:
        token = tokens.get(sender.actor)
        was_used = token and token.last_used_at and token.last_used_at >= sender.day
        found += [] if was_used or (token and token.state != "active") else [sender]
    return found


def check_nights(zone: str, moment: datetime, notify: Notify) -> int:
    """Record the nights missed by a moment, and the end of those recorded before; return how many were missed anew.

    Days are those of the time zone `zone`. Raises Unavailable.
    """
    missing = missing_senders(ZoneInfo(zone), moment)
    keys = {(sender.actor, sender.day) for sender in missing}
    stored = db.session.scalars(select(MissedNight).where(MissedNight.ended_at.is_(None)))
    if {(night.actor, night.day) for night in stored} == keys:
        return 0

    def work(session: Session) -> int:
        _end_others(session, keys, moment)
        return sum(_record(session, _night(sender, moment), notify) for sender in missing)

    return run_in_transaction(work)


def _night(sender: LateSender, moment: datetime) -> MissedNight:
    return MissedNight(
        actor=sender.actor,
        day=sender.day,
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
