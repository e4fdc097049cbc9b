"""Count the refused requests by day, token and error code, for the overview page.

A request only counts in memory. A background task writes the counts.
"""

from collections import Counter
from datetime import date
from threading import Event, Lock

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db, now, run_in_transaction
from app.core.errors import Unavailable

WRITE_INTERVAL_S = 2.0

NO_TOKEN = ""


class RefusalCount(Base):
    __tablename__ = "refused_requests"

    day: Mapped[date] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(primary_key=True)
    """The token's name; empty for a request without a valid token."""
    code: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(dialects.Id)


class RefusalCounter:
    """The counts that this process has not written yet. A killed process loses the counts of a few seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[date, str, str]] = Counter()

    def add(self, token: str, code: str) -> None:
        with self._lock:
            self._counts[now().date(), token, code] += 1

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


def _write(session: Session, counts: Counter[tuple[date, str, str]]) -> None:
    for (day, token, code), requests in sorted(counts.items()):
        key = {"day": day, "token": token, "code": code}
        dialects.upsert_increment(session, RefusalCount.__table__, key, "requests", requests)


def refusals_since(day: date) -> list[tuple[str, str, int]]:
    """Return (token, code, requests) since the start of `day` in UTC, the largest numbers first."""
    requests = func.sum(RefusalCount.requests)
    query = (
        select(RefusalCount.token, RefusalCount.code, requests)
        .where(RefusalCount.day >= day)
        .group_by(RefusalCount.token, RefusalCount.code)
        .order_by(requests.desc(), RefusalCount.token, RefusalCount.code)
    )
    return [(token, code, int(n)) for token, code, n in db.session.execute(query)]
