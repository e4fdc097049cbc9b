"""Sessions of operators: one per browser, stored by the hash of a secret that the browser's cookie contains.

A session is pending between the password and the second factor. It gets a new secret when the operator's rights change.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, and_, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.audit_log import record_event
from app.access.secret_digests import new_secret, sha256_hex
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import Unavailable

SESSION_IDLE_TIMEOUT = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=7)
PENDING_LIFETIME = timedelta(minutes=10)
LAST_USED_RESOLUTION = timedelta(minutes=1)
RENEWAL_OVERLAP = timedelta(seconds=30)
"""The old secret stays valid for parallel requests of the same browser."""


class OperatorSession(Base):
    """An operator who is signed in with one browser."""

    __tablename__ = "operator_sessions"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    browser: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    address: Mapped[str | None]
    method: Mapped[str] = mapped_column(server_default="password")
    """How the operator signed in: `password`, `password and code`, `recovery code`, `passkey` or `single sign-on`."""
    pending: Mapped[bool] = mapped_column(server_default="0")
    """Whether the second factor is still missing."""
    renewal_due: Mapped[bool] = mapped_column(server_default="0")
    """Whether the next request gets a new secret."""
    previous_digest: Mapped[str | None] = mapped_column(unique=True)
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class ClientInfo:
    """The browser of a sign-in: its user agent, its address, and the id of the device if it is known."""

    browser: str
    address: str
    device: str | None = None


@dataclass(frozen=True)
class NewSession:
    """The secret of a new session, and whether it waits for the second factor."""

    secret: str
    pending: bool
    email: str


def create_session_in(
    session: Session, operator_id: int, client: ClientInfo, method: str, *, pending: bool = False
) -> str:
    """Return the secret of a new session; expired sessions of all operators are deleted."""
    secret, at = new_secret(), now()
    session.execute(delete(OperatorSession).where(_expired(at)))
    session.add(
        OperatorSession(
            operator_id=operator_id,
            digest=sha256_hex(secret),
            browser=client.browser,
            address=client.address,
            created_at=at,
            last_used_at=at,
            method=method,
            pending=pending,
        )
    )
    return secret


def touch_session(session_id: int, at: datetime) -> None:
    """Record that the session was used at this moment."""
    touch = update(OperatorSession).where(OperatorSession.id == session_id).values(last_used_at=at)
    with suppress(Unavailable):  # the database is busy: the next request updates it
        run_in_transaction(lambda session: session.execute(touch), wait=False)


def with_secret(secret: str, at: datetime) -> ColumnElement[bool]:
    """Return the condition for the session with this secret, or with it as the previous one during a renewal."""
    digest = sha256_hex(secret)
    previous = and_(OperatorSession.previous_digest == digest, OperatorSession.previous_until > at)
    return or_(OperatorSession.digest == digest, previous)


def unexpired(at: datetime) -> ColumnElement[bool]:
    """Return the condition for sessions that neither the idle timeout nor the lifetime has ended."""
    return and_(
        OperatorSession.last_used_at > at - SESSION_IDLE_TIMEOUT, OperatorSession.created_at > at - SESSION_LIFETIME
    )


def _expired(at: datetime) -> ColumnElement[bool]:
    abandoned = and_(OperatorSession.pending, OperatorSession.created_at <= at - PENDING_LIFETIME)
    return or_(
        OperatorSession.last_used_at <= at - SESSION_IDLE_TIMEOUT,
        OperatorSession.created_at <= at - SESSION_LIFETIME,
        abandoned,
    )


def renew_secret(session_id: int) -> str:
    """Return a new secret of the session; the old one stays valid for some seconds."""
    secret = new_secret()
    run_in_transaction(lambda session: renew_secret_in(session, session_id, secret))
    return secret


def renew_secret_in(session: Session, session_id: int, secret: str) -> None:
    """Replace the secret of the session in this transaction."""
    row = session.get(OperatorSession, session_id)
    if row is not None:
        row.previous_digest, row.previous_until = row.digest, now() + RENEWAL_OVERLAP
        row.digest, row.renewal_due = sha256_hex(secret), False


def require_renewal(session: Session, operator_id: int) -> None:
    """Give each session of the operator a new secret at its next request: their rights have changed."""
    statement = update(OperatorSession).where(OperatorSession.operator_id == operator_id)
    session.execute(statement.values(renewal_due=True))


def upgrade_session(session: Session, session_id: int, method: str) -> None:
    """Record that the operator of the session has proved a second factor; the session gets a new secret."""
    statement = update(OperatorSession).where(OperatorSession.id == session_id)
    session.execute(statement.values(method=method, renewal_due=True))


def list_sessions(operator_id: int) -> list[OperatorSession]:
    """Return the operator's active sessions, the one used last first."""
    query = (
        select(OperatorSession)
        .where(OperatorSession.operator_id == operator_id, unexpired(now()), ~OperatorSession.pending)
        .order_by(OperatorSession.last_used_at.desc(), OperatorSession.id.desc())
    )
    return list(db.session.scalars(query))


def end_session(operator_id: int, session_id: int, *, event: str = "session_ended", target: str | None = None) -> None:
    """Delete a session of this operator; do nothing if it does not exist."""
    own = delete(OperatorSession).where(OperatorSession.operator_id == operator_id, OperatorSession.id == session_id)

    def work(session: Session) -> None:
        if session.scalar(own.returning(OperatorSession.id)) is not None:
            record_event(session, event, target)

    run_in_transaction(work)


def end_sessions(operator_id: int, email: str) -> None:
    """Sign the operator out everywhere."""

    def work(session: Session) -> None:
        revoke_sessions(session, operator_id)
        record_event(session, "session_ended", email, after={"sessions": "all"})

    run_in_transaction(work)


def revoke_sessions(session: Session, operator_id: int, *, except_id: int | None = None) -> None:
    """Delete all sessions of the operator, or all except one."""
    statement = delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    session.execute(statement if except_id is None else statement.where(OperatorSession.id != except_id))
