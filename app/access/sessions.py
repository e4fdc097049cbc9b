"""Sessions of operators: one per browser, stored by the hash of a secret that the browser's cookie carries."""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, and_, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.secret_digests import new_secret, sha256_hex
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import Unavailable

SESSION_IDLE_TIMEOUT = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=7)
LAST_USED_RESOLUTION = timedelta(minutes=1)


class OperatorSession(Base):
    """An operator who is signed in with one browser."""

    __tablename__ = "operator_sessions"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    browser: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)


def create_session_in(session: Session, operator_id: int, browser: str) -> str:
    """Return the secret of a new session; expired sessions of all operators are deleted."""
    secret, at = new_secret(), now()
    session.execute(delete(OperatorSession).where(_expired(at)))
    session.add(
        OperatorSession(
            operator_id=operator_id, digest=sha256_hex(secret), browser=browser, created_at=at, last_used_at=at
        )
    )
    return secret


def touch_session(session_id: int, at: datetime) -> None:
    """Record that the session was used at this moment."""
    touch = update(OperatorSession).where(OperatorSession.id == session_id).values(last_used_at=at)
    with suppress(Unavailable):  # the database is busy: the next request updates it
        run_in_transaction(lambda session: session.execute(touch), patient=False)


def unexpired(at: datetime) -> ColumnElement[bool]:
    """Return the condition for sessions that neither the idle timeout nor the lifetime has ended."""
    return and_(
        OperatorSession.last_used_at > at - SESSION_IDLE_TIMEOUT, OperatorSession.created_at > at - SESSION_LIFETIME
    )


def _expired(at: datetime) -> ColumnElement[bool]:
    return or_(
        OperatorSession.last_used_at <= at - SESSION_IDLE_TIMEOUT, OperatorSession.created_at <= at - SESSION_LIFETIME
    )


def list_sessions(operator_id: int) -> list[OperatorSession]:
    """Return the operator's active sessions, the one used last first."""
    query = (
        select(OperatorSession)
        .where(OperatorSession.operator_id == operator_id, unexpired(now()))
        .order_by(OperatorSession.last_used_at.desc(), OperatorSession.id.desc())
    )
    return list(db.session.scalars(query))


def end_session(operator_id: int, session_id: int) -> None:
    """Delete a session of this operator; do nothing if it does not exist."""
    own = delete(OperatorSession).where(OperatorSession.operator_id == operator_id, OperatorSession.id == session_id)
    run_in_transaction(lambda session: session.execute(own))


def revoke_sessions(session: Session, operator_id: int, *, except_id: int | None = None) -> None:
    """Delete all sessions of the operator, or all except one."""
    statement = delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    session.execute(statement if except_id is None else statement.where(OperatorSession.id != except_id))
