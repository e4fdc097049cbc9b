"""Alerts on the size of a segment or of a type: what is watched, and when it was raised."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction

Condition = Literal["below", "above", "change"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
THRESHOLDS: dict[Condition, tuple[int, int]] = {"below": (1, 10**9), "above": (0, 10**9), "change": (0, 10_000)}
"""The smallest and the largest threshold: customers, or percent."""


class Watched(NamedTuple):
    """A segment, or all segments of a type together: then without a value."""

    type: str
    value: str | None = None


@dataclass(frozen=True)
class Size:
    """How many customers have a segment, now and a day ago; for a type, the sum of its segments."""

    customers: int = 0
    day_before: int = 0


class RaisedAlert(Base):
    """An alert from the moment at which it was raised until it cleared."""

    __tablename__ = "raised_alerts"
    __table_args__ = (Index("ix_raised_alerts_type", "type", "value"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    type: Mapped[str] = mapped_column(dialects.BytewiseString)
    value: Mapped[str | None] = mapped_column(dialects.BytewiseString)
    """None for a whole type."""
    condition: Mapped[Condition] = mapped_column(String)
    threshold: Mapped[int] = mapped_column(dialects.Id)
    customers: Mapped[int] = mapped_column(dialects.Id)
    day_before: Mapped[int] = mapped_column(dialects.Id)
    """The size when it was raised, and a day before that."""
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def state(self) -> str:
        return "cleared" if self.cleared_at else "raised"


class SegmentAlert(Base):
    """One condition on the size of a segment or of a type."""

    __tablename__ = "segment_alerts"

    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    value: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    """Empty for a whole type."""
    whole_type: Mapped[bool] = mapped_column(primary_key=True)
    condition: Mapped[Condition] = mapped_column(String, primary_key=True)
    threshold: Mapped[int] = mapped_column(dialects.Id)
    """Customers; for `change`, percent of the size a day ago."""
    raised_id: Mapped[int | None] = mapped_column(dialects.Id, ForeignKey("raised_alerts.id"))
    raised: Mapped[RaisedAlert | None] = relationship(lazy="joined")
    """Where it is recorded while the condition holds."""

    @property
    def watched(self) -> Watched:
        return Watched(self.type, None if self.whole_type else self.value)

    def holds(self, size: Size) -> bool:
        """Return whether the alert is to be raised; a segment that was empty a day ago moved by no share."""
        if self.condition == "below":
            return size.customers < self.threshold
        if self.condition == "above":
            return size.customers > self.threshold
        return abs(size.customers - size.day_before) * 100 > self.threshold * size.day_before > 0


def list_alerts(watched: Watched | None = None) -> list[SegmentAlert]:
    """Return the alerts of a segment or type, or all."""
    query = select(SegmentAlert).order_by(SegmentAlert.type, SegmentAlert.value, SegmentAlert.condition)
    if watched:
        query = query.where(*_is_of(watched))
    return list(db.session.scalars(query))


def _is_of(watched: Watched) -> tuple[ColumnElement[bool], ...]:
    return (
        SegmentAlert.type == watched.type,
        SegmentAlert.value == (watched.value or ""),
        SegmentAlert.whole_type == (watched.value is None),
    )


def list_raised(limit: int, watched: Watched | None = None) -> list[RaisedAlert]:
    """Return the alerts of a segment or type that were raised, or those of all that still are, the newest first."""
    query = select(RaisedAlert).order_by(RaisedAlert.id.desc()).limit(limit)
    if watched is None:
        query = query.join(SegmentAlert, SegmentAlert.raised_id == RaisedAlert.id)
    else:
        query = query.where(RaisedAlert.type == watched.type, RaisedAlert.value.is_not_distinct_from(watched.value))
    return list(db.session.scalars(query))


def save_alerts(watched: Watched, thresholds: Mapping[Condition, int]) -> None:
    """Watch a segment or type for these conditions alone; an alert that changes clears.

    Raises Unavailable.
    """

    def work(session: Session) -> None:
        stored = session.scalars(select(SegmentAlert).where(*_is_of(watched)).with_for_update(of=SegmentAlert))
        kept = {alert.condition for alert in stored if not _end_if_changed(session, alert, thresholds)}
        session.flush()
        for condition in thresholds.keys() - kept:
            session.add(_alert(watched, condition, thresholds[condition]))

    run_in_transaction(work)


def _alert(watched: Watched, condition: Condition, threshold: int) -> SegmentAlert:
    whole_type = watched.value is None
    return SegmentAlert(
        type=watched.type, value=watched.value or "", whole_type=whole_type, condition=condition, threshold=threshold
    )


def _end_if_changed(session: Session, alert: SegmentAlert, thresholds: Mapping[Condition, int]) -> bool:
    if thresholds.get(alert.condition) == alert.threshold:
        return False
    if alert.raised:
        alert.raised.cleared_at = now()
    session.delete(alert)
    return True
