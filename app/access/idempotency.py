"""Requests with an Idempotency-Key: performed once, and answered the same on each repeat (contract §2).

The response is stored in the transaction that does the work: a repeat gets the first response, also if the server died
between the commit and the response.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.changes.traces import Traces
from app.core.database import Base, UtcDateTime, run_in_transaction
from app.core.errors import DomainError

RETENTION = timedelta(hours=24)


class IdempotencyMismatch(DomainError):
    status = 422
    code = "IDEMPOTENCY_MISMATCH"
    explanation = "The Idempotency-Key was sent with another request before."
    example = "This Idempotency-Key came with another request before. Nothing was changed."


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"

    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    request_digest: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    response: Mapped[str | None]
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)


@dataclass(frozen=True)
class IdempotentRequest:
    """The token, the key and the digest of a request."""

    token_id: int
    key: str
    request_digest: str


@dataclass(frozen=True)
class StoredResponse:
    """A response body, and the id of the change set that the request created."""

    text: str
    change_set_id: int | None
    replayed: bool = False
    """Whether it is the stored response of an earlier request."""


def run_once(request: IdempotentRequest, work: Callable[[Session], StoredResponse]) -> StoredResponse:
    """Return the response of `work`, or the stored one of the first request with this key.

    Raises IdempotencyMismatch and Unavailable.
    """

    def claim_and_work(session: Session) -> StoredResponse:
        row = _claim(session, request)
        if row is not None:
            return _replay(row, request)
        response = work(session)
        this_key = IdempotencyKey.token_id == request.token_id, IdempotencyKey.key == request.key
        values = {"response": response.text, "change_set_id": response.change_set_id}
        session.execute(update(IdempotencyKey).where(*this_key).values(values))
        return response

    return run_in_transaction(claim_and_work)


def _claim(session: Session, request: IdempotentRequest) -> IdempotencyKey | None:
    """Insert the key for this transaction and return None; or return the row of an earlier request, once committed."""
    # By the database's clock: that of a process may be ahead, and would forget keys too early.
    old = IdempotencyKey.created_at <= dialects.database_time(-RETENTION.total_seconds())
    session.execute(delete(IdempotencyKey).where(old))
    key = {"token_id": request.token_id, "key": request.key}
    claim = {**key, "request_digest": request.request_digest, "created_at": dialects.database_time()}
    if dialects.insert_if_absent(session, IdempotencyKey.__table__, claim):
        return None
    return session.get(IdempotencyKey, key)


def _replay(row: IdempotencyKey, request: IdempotentRequest) -> StoredResponse:
    if row.request_digest != request.request_digest:
        raise IdempotencyMismatch(IdempotencyMismatch.example)
    return StoredResponse(row.response or "", row.change_set_id, replayed=True)


def erase_from_responses(session: Session, traces: Traces) -> None:
    """Remove erased customers from the lists of all stored responses; a repeat is still answered (contract §8)."""
    columns = (IdempotencyKey.token_id, IdempotencyKey.key, IdempotencyKey.response)
    for token_id, key, response in session.execute(select(*columns).where(IdempotencyKey.response.is_not(None))).all():
        stored = orjson.loads(response or "null")
        remaining = _without(stored, traces.ids)
        if remaining != stored:
            this_key = IdempotencyKey.token_id == token_id, IdempotencyKey.key == key
            text = orjson.dumps(remaining).decode()
            session.execute(update(IdempotencyKey).where(*this_key).values(response=text))


def disclose_from_responses(session: Session, traces: Traces) -> list[dict[str, Any]]:
    """Return the stored responses that name a customer, with nothing of others."""
    query = select(IdempotencyKey.created_at, IdempotencyKey.response).where(IdempotencyKey.response.is_not(None))
    found = [(at, list(_iter_about(orjson.loads(text or "null"), traces.ids))) for at, text in session.execute(query)]
    return [{"at": at.isoformat(), "named": named} for at, named in found if named]


def _iter_about(value: Any, document_ids: frozenset[str]) -> Iterator[Any]:
    """Yield what `_without` removes."""
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for item in items:
        if isinstance(value, list) and _is_about(item, document_ids):
            yield item
        else:
            yield from _iter_about(item, document_ids)


def _without(value: Any, document_ids: frozenset[str]) -> Any:
    """Return a JSON value without the ids, and without the objects about them, in all its lists."""
    if isinstance(value, list):
        return [_without(item, document_ids) for item in value if not _is_about(item, document_ids)]
    if isinstance(value, dict):
        return {name: _without(item, document_ids) for name, item in value.items()}
    return value


def _is_about(item: Any, document_ids: frozenset[str]) -> bool:
    document_id = item.get("document_id") if isinstance(item, dict) else item
    return isinstance(document_id, str) and document_id in document_ids
