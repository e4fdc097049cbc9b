"""Requests that may come again, with the key that their caller gave them: done once, answered each time (contract §2).

The answer is kept in the transaction that does the work. Whoever repeats a request learns what the first one did, also
if the server died between the commit and the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.counts.compaction import compact_when_due
from app.core.database import Base, UtcDateTime, now, run_in_transaction
from app.core.errors import DomainError

RETENTION = timedelta(hours=24)


class IdempotencyMismatch(DomainError):
    """The key came with another request before."""


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"

    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    request_digest: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    answer: Mapped[str | None]
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)


@dataclass(frozen=True)
class IdempotentRequest:
    """Whose request it is, under which key, and what was asked."""

    token_id: int
    key: str
    request_digest: str


@dataclass(frozen=True)
class StoredResponse:
    """A body, and the change set that was made."""

    text: str
    change_set_id: int | None


def run_once(request: IdempotentRequest, work: Callable[[Session], StoredResponse]) -> StoredResponse:
    """What `work` answers, or answered when this request came first. Raises IdempotencyMismatch and Unavailable."""

    def claim_and_work(session: Session) -> StoredResponse:
        row = _claim(session, request)
        if row is not None:
            return _replay(row, request)
        answer = work(session)
        mine = IdempotencyKey.token_id == request.token_id, IdempotencyKey.key == request.key
        kept = {"answer": answer.text, "change_set_id": answer.change_set_id}
        session.execute(update(IdempotencyKey).where(*mine).values(kept))
        return answer

    answer = run_in_transaction(claim_and_work)
    if answer.change_set_id:
        compact_when_due(answer.change_set_id)
    return answer


def _claim(session: Session, request: IdempotentRequest) -> IdempotencyKey | None:
    """Make the key this transaction's own; otherwise what another one made of it, once that has ended."""
    at = now()
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= at - RETENTION))
    key = {"token_id": request.token_id, "key": request.key}
    claim = {**key, "request_digest": request.request_digest, "created_at": at}
    return (
        None
        if dialects.insert_if_absent(session, IdempotencyKey.__table__, claim)
        else session.get(IdempotencyKey, key)
    )


def _replay(row: IdempotencyKey, request: IdempotentRequest) -> StoredResponse:
    if row.request_digest != request.request_digest:
        raise IdempotencyMismatch("This Idempotency-Key came with another request before. Nothing was changed.")
    return StoredResponse(row.answer or "", row.change_set_id)
