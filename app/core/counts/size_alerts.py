"""Checking the sizes of segments and types against their alerts.

An alert is raised once, when its condition begins to hold, and clears by itself when it no longer does. The usual check
writes nothing; a transition is decided again in a transaction that locks the alert, so that of several processes one
makes it.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from app.core.counts.segment_counts import current_counts
from app.core.counts.segment_deltas import all_deltas
from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import ChangeSetPart
from app.core.models.segment_alerts import RaisedAlert, SegmentAlert, Size, Watched, list_alerts

DAY = timedelta(days=1)
RETENTION = timedelta(days=365)
"""How long alerts are kept that have cleared."""

Notify = Callable[[Session, RaisedAlert], None]
"""Called in the transaction in which an alert was raised or cleared."""


def check_alerts(notify: Notify) -> int:
    """Raise and clear the alerts whose conditions begin or cease to hold; return how many. Raises Unavailable."""
    alerts = list_alerts()
    if not alerts:
        return 0
    sizes = load_sizes(db.session(), {alert.watched for alert in alerts}, now())
    if not any(_changes(alert, sizes) for alert in alerts):
        return 0
    return run_in_transaction(lambda session: _transition_all(session, notify))


def _changes(alert: SegmentAlert, sizes: dict[Watched, Size]) -> bool:
    return alert.holds(sizes.get(alert.watched, Size())) != (alert.raised_id is not None)


def _transition_all(session: Session, notify: Notify) -> int:
    query = select(SegmentAlert).order_by(SegmentAlert.type, SegmentAlert.value, SegmentAlert.condition)
    alerts = list(session.scalars(query.with_for_update(of=SegmentAlert)))
    at = now()
    sizes = load_sizes(session, {alert.watched for alert in alerts}, at)
    changing = [alert for alert in alerts if _changes(alert, sizes)]
    for alert in changing:
        notify(session, _transition(session, alert, sizes.get(alert.watched, Size()), at))
    return len(changing)


def _transition(session: Session, alert: SegmentAlert, size: Size, at: datetime) -> RaisedAlert:
    """Clear a raised alert, or raise it; return its record."""
    raised = alert.raised
    if raised:
        raised.cleared_at, alert.raised_id = at, None
        return raised
    raised = RaisedAlert(
        type=alert.type,
        value=alert.watched.value,
        condition=alert.condition,
        threshold=alert.threshold,
        customers=size.customers,
        day_before=size.day_before,
        raised_at=at,
    )
    session.add(raised)
    session.flush()
    alert.raised_id = raised.id
    return raised


def load_sizes(session: Session, watched: Collection[Watched], at: datetime) -> dict[Watched, Size]:
    """Return the sizes of those that customers have now or had a day ago."""
    segments = [(type_, value) for type_, value in watched if value is not None]
    types = [type_ for type_, value in watched if value is None]
    rows = [*session.execute(_sizes_of_segments(segments, at - DAY))] if segments else []
    rows += [*session.execute(_sizes_of_types(types, at - DAY))] if types else []
    return {Watched(row[0], row[1]): Size(int(row[2]), int(row[2] - row[3])) for row in rows}


def _sizes_of_segments(pairs: Iterable[tuple[str, str]], since: datetime) -> Select[Any]:
    """Return a query for (type, value, customers, delta since)."""
    rows = _rows(lambda columns: tuple_(columns.type, columns.value).in_(list(pairs)), since)
    sums = (func.sum(rows.c.customers), func.sum(rows.c.delta))
    return select(rows.c.type, rows.c.value, *sums).group_by(rows.c.type, rows.c.value)


def _sizes_of_types(types: Collection[str], since: datetime) -> Select[Any]:
    rows = _rows(lambda columns: columns.type.in_(types), since)
    sums = (func.sum(rows.c.customers), func.sum(rows.c.delta))
    return select(rows.c.type, literal(None), *sums).group_by(rows.c.type)


def _rows(among: Callable[[Any], Any], since: datetime) -> Any:
    """Return (type, value, customers, delta) of what customers have, and of what changed since a moment."""
    counts, deltas = current_counts(), all_deltas()
    held = select(counts.c.type, counts.c.value, counts.c.customers, literal(0).label("delta")).where(among(counts.c))
    changed = (
        select(deltas.c.type, deltas.c.value, literal(0).label("customers"), deltas.c.delta)
        .join(ChangeSetPart, ChangeSetPart.id == deltas.c.part_id)
        .where(among(deltas.c), ChangeSetPart.at > since)
    )
    return union_all(held, changed).subquery("rows")


def remove_old_alerts() -> None:
    """Delete the records of alerts that cleared long ago. Raises Unavailable."""
    old = RaisedAlert.cleared_at < now() - RETENTION
    if db.session.scalar(select(RaisedAlert.id).where(old).limit(1)):
        run_in_transaction(lambda session: session.execute(delete(RaisedAlert).where(old)))
