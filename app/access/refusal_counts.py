"""Count the refused requests by hour, token and error code, for the overview page.

A request only counts in memory. A background task writes the counts.
"""

from collections import Counter
from datetime import datetime, timedelta
from threading import Event, Lock

from sqlalchemy import Column, Date, String, Table, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.days import start_of_hour
from app.core.errors import Unavailable

WRITE_INTERVAL_S = 2.0

RETENTION = timedelta(days=31)

NO_TOKEN = ""


class RefusalCount(Base):
    __tablename__ = "hourly_refusals"

    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    """The moment at which the hour begins."""
    token: Mapped[str] = mapped_column(primary_key=True)
    """The token's name; empty for a request without a valid token."""
    code: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(dialects.Id)


Table(
    "refused_requests",
    Base.metadata,
    Column("day", Date, primary_key=True),
    Column("token", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("requests", dialects.Id, nullable=False),
)
"""The counts by day that the previous version writes. The next version drops the table."""


class RefusalCounter:
    """The counts that this process has not written yet. A killed process loses the counts of a few seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[datetime, str, str]] = Counter()

    def add(self, token: str, code: str) -> None:
        with self._lock:
            self._counts[start_of_hour(now()), token, code] += 1

    def write(self) -> None:
        """Write the counts. If the database is unavailable, the next call writes them."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            run_in_transaction(lambda session: _write(session, counts), wait=False)
        except BaseException as error:
            with self._lock:
                self._counts += counts
            if not isinstance(error, Unavailable):
                raise


refusal_counter = RefusalCounter()


def write_refusal_counts(stop: Event) -> bool:
    """Background task: write the counts every two seconds, and once more when the process ends."""
    stop.wait(WRITE_INTERVAL_S)
    refusal_counter.write()
    return True


def _write(session: Session, counts: Counter[tuple[datetime, str, str]]) -> None:
    for (hour, token, code), requests in sorted(counts.items()):
        key = {"hour": hour, "token": token, "code": code}
        dialects.upsert_increment(session, RefusalCount.__table__, key, "requests", requests)
    session.execute(delete(RefusalCount).where(RefusalCount.hour < now() - RETENTION))


def refusals_since(moment: datetime) -> list[tuple[str, str, int]]:
    """Return (token, code, requests) since the beginning of the hour of `moment`, the largest numbers first."""
    requests = func.sum(RefusalCount.requests)
    query = (
        select(RefusalCount.token, RefusalCount.code, requests)
        .where(RefusalCount.hour >= start_of_hour(moment))
        .group_by(RefusalCount.token, RefusalCount.code)
        .order_by(requests.desc(), RefusalCount.token, RefusalCount.code)
    )
    return [(token, code, int(n)) for token, code, n in db.session.execute(query)]
