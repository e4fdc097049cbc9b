"""How many requests were refused, a day, by token and reason: what the overview tells of last night."""

import time
from collections import Counter
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db, now, run_in_transaction
from app.core.errors import Unavailable

WRITE_INTERVAL = 2.0
"""Seconds. Whoever sends a thousand wrong requests a second must not make the database write as often."""

NO_TOKEN = ""


class RefusalCount(Base):
    __tablename__ = "refused_requests"

    day: Mapped[date] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(primary_key=True)
    """The token's name; empty when there was none that is valid."""
    code: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(dialects.Id)


class RefusalCounter:
    """What this process refused and has not noted yet: lost if it dies within those seconds."""

    def __init__(self) -> None:
        self._waiting: Counter[tuple[date, str, str]] = Counter()
        self._noted_at = -WRITE_INTERVAL

    def add(self, token: str, code: str) -> None:
        self._waiting[now().date(), token, code] += 1
        self.note_when_due()

    def note_when_due(self) -> None:
        if self._waiting and time.monotonic() - self._noted_at >= WRITE_INTERVAL:
            self._noted_at = time.monotonic()
            waiting, self._waiting = self._waiting, Counter()
            try:
                run_in_transaction(lambda session: _write(session, waiting), patient=False)
            except Unavailable:
                self._waiting += waiting  # busy with what matters more: the next one notes it


refusal_counter = RefusalCounter()


def _write(session: Session, waiting: Counter[tuple[date, str, str]]) -> None:
    for (day, token, code), requests in sorted(waiting.items()):
        key = {"day": day, "token": token, "code": code}
        dialects.upsert_increment(session, RefusalCount.__table__, key, "requests", requests)


def refusals_since(day: date) -> list[tuple[str, str, int]]:
    """(token, code, requests) since the beginning of that day in UTC, the most first."""
    requests = func.sum(RefusalCount.requests)
    query = (
        select(RefusalCount.token, RefusalCount.code, requests)
        .where(RefusalCount.day >= day)
        .group_by(RefusalCount.token, RefusalCount.code)
        .order_by(requests.desc(), RefusalCount.token, RefusalCount.code)
    )
    return [(token, code, int(n)) for token, code, n in db.session.execute(query)]
