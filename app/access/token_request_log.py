"""The recent requests of each token: their outcome, never their contents.

Entries are buffered in memory and written by a background task: no request waits for the write, and SQLite's single
writer is used once every two seconds instead of once per request.
"""

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
"""Entries per token."""

WRITE_INTERVAL_S = 2.0


class TokenRequest(Base):
    __tablename__ = "token_requests"
    __table_args__ = (Index("ix_token_requests_token_id_id", "token_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    method: Mapped[str]
    route: Mapped[str]
    """The rule of the URL, such as `/api/v3/customers/<document_id>/segments`, without the id of a customer."""
    status: Mapped[int]
    code: Mapped[str | None]
    paths: Mapped[list[str]] = mapped_column(dialects.Json)
    """Paths of the problems, such as `customers[3].segments[0].type`."""
    milliseconds: Mapped[int]
    dry_run: Mapped[bool]
    used_previous_secret: Mapped[bool]
    sent: Mapped[int | None]
    changed: Mapped[int | None]
    unchanged: Mapped[int | None]
    not_found: Mapped[int | None]
    guard: Mapped[str | None]
    """`warn` or `hold`, if the guard of the token did that."""
    request_id: Mapped[str | None]
    """Its id in the logs."""


@dataclass(frozen=True)
class CustomerCounts:
    """Numbers of customers that a request handled; None where an endpoint does not count them."""

    sent: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    not_found: int | None = None


@dataclass(frozen=True)
class LogEntry:
    """One request, as it is written to `token_requests`."""

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
    request_id: str
    guard: str | None = None

    def row(self) -> dict[str, object]:
        fields = asdict(self)
        return {**fields, **fields.pop("counts")}


class LogBuffer:
    """Entries that this process has not written yet; lost if it is killed within two seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: dict[int, deque[LogEntry]] = self._empty()

    @staticmethod
    def _empty() -> dict[int, deque[LogEntry]]:
        return defaultdict(lambda: deque(maxlen=MAX_KEPT))

    def add(self, entry: LogEntry) -> None:
        with self._lock:
            self._pending[entry.token_id].append(entry)

    def write(self) -> None:
        """Write the pending entries; keep them for the next call if the database is busy."""
        with self._lock:
            entries, self._pending = self._pending, self._empty()
        if not entries:
            return
        try:
            run_in_transaction(lambda session: _write(session, entries), wait=False)
        except Unavailable:
            with self._lock:
                for token_id, newer in self._pending.items():
                    entries[token_id].extend(newer)
                self._pending = entries


log_buffer = LogBuffer()


def write_request_log(stop: Event) -> bool:
    """Write the pending entries every two seconds, and once more when the process ends (a background task)."""
    stop.wait(WRITE_INTERVAL_S)
    log_buffer.write()
    return True


def _write(session: Session, pending: dict[int, deque[LogEntry]]) -> None:
    rows = [entry.row() for token_id in sorted(pending) for entry in pending[token_id]]
    session.execute(insert(TokenRequest), rows)
    for token_id in sorted(pending):
        newest = select(TokenRequest.id).where(TokenRequest.token_id == token_id).order_by(TokenRequest.id.desc())
        outdated = newest.offset(MAX_KEPT).limit(1).scalar_subquery()
        session.execute(delete(TokenRequest).where(TokenRequest.token_id == token_id, TokenRequest.id <= outdated))


def list_requests(token_id: int) -> list[TokenRequest]:
    """Return the recent requests of a token, the newest first."""
    query = select(TokenRequest).where(TokenRequest.token_id == token_id)
    return list(db.session.scalars(query.order_by(TokenRequest.at.desc(), TokenRequest.id.desc()).limit(MAX_KEPT)))
