"""The last requests of each token: what became of them, and nothing of what stood in them.

Noted in memory, and written by the process's background a moment later: no request waits for it, and SQLite's one
writer is asked for once every two seconds instead of once a request.
"""

import logging
from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Event, Lock

from sqlalchemy import ForeignKey, Index, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, run_in_transaction
from app.core.errors import Unavailable

MAX_KEPT = 50
"""Requests kept of each token."""

WRITE_INTERVAL_S = 2.0

log = logging.getLogger(__name__)


class TokenRequest(Base):
    __tablename__ = "token_requests"
    __table_args__ = (Index("ix_token_requests_token_id_id", "token_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    method: Mapped[str]
    route: Mapped[str]
    """The rule of the URL, such as `/api/v3/customers/<document_id>/segments`: never whose segments were asked for."""
    status: Mapped[int]
    code: Mapped[str | None]
    paths: Mapped[list[str]] = mapped_column(dialects.Json)
    """Where the problems were, such as `customers[3].segments[0].type`."""
    milliseconds: Mapped[int]
    dry_run: Mapped[bool]
    used_previous_secret: Mapped[bool]
    sent: Mapped[int | None]
    changed: Mapped[int | None]
    unchanged: Mapped[int | None]
    not_found: Mapped[int | None]


@dataclass(frozen=True)
class CustomerCounts:
    """What a request did with customers; None where it does not count them."""

    sent: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    not_found: int | None = None


@dataclass(frozen=True)
class LogEntry:
    """One request, as a row of `log_buffer` will tell it."""

    token_id: int
    at: datetime
    method: str
    route: str
    status: int
    code: str | None
    paths: list[str]
    milliseconds: int
    dry_run: bool
    used_previous_secret: bool
    counts: CustomerCounts

    def row(self) -> dict[str, object]:
        fields = asdict(self)
        return {**fields, **fields.pop("counts")}


class LogBuffer:
    """What this process answered and has not written yet; lost if it is killed within those seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._noted: dict[int, deque[LogEntry]] = self._empty()

    @staticmethod
    def _empty() -> dict[int, deque[LogEntry]]:
        return defaultdict(lambda: deque(maxlen=MAX_KEPT))

    def add(self, noted: LogEntry) -> None:
        with self._lock:
            self._noted[noted.token_id].append(noted)

    def write(self) -> None:
        """Write what is waiting, if the database is not busy with what matters more: then it waits on."""
        with self._lock:
            taken, self._noted = self._noted, self._empty()
        if not taken:
            return
        try:
            run_in_transaction(lambda session: _write(session, taken), patient=False)
        except Unavailable:
            with self._lock:
                for token_id, newer in self._noted.items():
                    taken[token_id].extend(newer)
                self._noted = taken


log_buffer = LogBuffer()


def write_request_log(stop: Event) -> bool:
    """The duty: every two seconds, and once more when the process ends."""
    stop.wait(WRITE_INTERVAL_S)
    log_buffer.write()
    return True


def _write(session: Session, noted: dict[int, deque[LogEntry]]) -> None:
    session.execute(insert(TokenRequest), [one.row() for token_id in sorted(noted) for one in noted[token_id]])
    for token_id in sorted(noted):
        newest = select(TokenRequest.id).where(TokenRequest.token_id == token_id).order_by(TokenRequest.id.desc())
        outdated = newest.offset(MAX_KEPT).limit(1).scalar_subquery()
        session.execute(delete(TokenRequest).where(TokenRequest.token_id == token_id, TokenRequest.id <= outdated))


def list_requests(token_id: int) -> list[TokenRequest]:
    """Its last requests, the newest first."""
    query = select(TokenRequest).where(TokenRequest.token_id == token_id)
    return list(db.session.scalars(query.order_by(TokenRequest.at.desc(), TokenRequest.id.desc()).limit(MAX_KEPT)))
