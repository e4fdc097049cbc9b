"""Nights on which a nightly sender did not come: each is recorded and reported once."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime


class MissedNight(Base):
    """A nightly sender who had not come when it usually has, until it came or the day was over."""

    __tablename__ = "missed_nights"

    actor: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    day: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    """The moment at which the day began in the time zone of the service: at midnight, or at noon before the night."""
    usually_by: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it came the last time, and the change set that it left then."""
    last_change_set_id: Mapped[int] = mapped_column(dialects.Id)
    missed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
