"""Signing in: sessions that expire, and a door that closes after too many wrong passwords."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.operators import Operator, OperatorSession, hash_password, revoke_sessions, verify_password
from app.access.secret_digests import new_secret, sha256_hex
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import DomainError, Unavailable

SESSION_IDLE_TIMEOUT = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=7)
LAST_USED_RESOLUTION = timedelta(minutes=1)

MAX_FAILURES = 5
LOCKOUT = timedelta(minutes=15)


class InvalidCredentials(DomainError):
    """The e-mail and the password do not belong together, or to nobody who may sign in."""


class AccountLocked(DomainError):
    """Too many wrong passwords for this e-mail; whether it is an operator's or not."""


class FailedSignIn(Base):
    """Wrong passwords for an e-mail, one after the other."""

    __tablename__ = "failed_sign_ins"

    email: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class AuthenticatedSession:
    """An operator, and the session in which she is at work."""

    operator: Operator
    session_id: int


def sign_in(email: str, password: str, browser: str) -> str:
    """The secret of a new session. Raises WrongPassword and LockedOut."""
    email = email.strip().casefold()
    _check_not_locked(email)
    operator = db.session.scalar(select(Operator).where(Operator.email == email, Operator.deactivated_at.is_(None)))
    if not verify_password(password, operator.password_hash if operator else None) or operator is None:
        run_in_transaction(lambda session: _record_failure(session, email))
        raise InvalidCredentials("This e-mail and password do not belong together.")
    return _open_session(operator.id, email, browser)


def _check_not_locked(email: str) -> None:
    failed = db.session.get(FailedSignIn, email)
    if failed and failed.failures >= MAX_FAILURES and failed.last_at > now() - LOCKOUT:
        minutes = int(LOCKOUT.total_seconds() // 60)
        raise AccountLocked(f"Too many wrong passwords. Signing in with this e-mail is closed for {minutes} minutes.")


def _record_failure(session: Session, email: str) -> None:
    session.execute(delete(FailedSignIn).where(FailedSignIn.last_at <= now() - LOCKOUT))
    dialects.upsert_increment(session, FailedSignIn.__table__, {"email": email}, "failures", 1, last_at=now())


def _open_session(operator_id: int, email: str, browser: str) -> str:
    secret, at = new_secret(), now()

    def work(session: Session) -> None:
        session.execute(delete(FailedSignIn).where(FailedSignIn.email == email))
        over = (OperatorSession.last_used_at <= at - SESSION_IDLE_TIMEOUT) | (
            OperatorSession.created_at <= at - SESSION_LIFETIME
        )
        session.execute(delete(OperatorSession).where(over))
        session.add(
            OperatorSession(
                operator_id=operator_id, digest=sha256_hex(secret), browser=browser, created_at=at, last_used_at=at
            )
        )

    run_in_transaction(work)
    return secret


def authenticate_session(secret: str) -> AuthenticatedSession | None:
    """Who is at work in the session with this secret, unless it has ended."""
    at = now()
    query = (
        select(Operator, OperatorSession.id, OperatorSession.last_used_at)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(
            OperatorSession.digest == sha256_hex(secret),
            OperatorSession.last_used_at > at - SESSION_IDLE_TIMEOUT,
            OperatorSession.created_at > at - SESSION_LIFETIME,
            Operator.deactivated_at.is_(None),
        )
    )
    found = db.session.execute(query).one_or_none()
    if found is None:
        return None
    operator, session_id, last_used_at = found
    if last_used_at <= at - LAST_USED_RESOLUTION:
        _touch_last_used(session_id, at)
    return AuthenticatedSession(operator, session_id)


def _touch_last_used(session_id: int, at: datetime) -> None:
    mark = update(OperatorSession).where(OperatorSession.id == session_id).values(last_used_at=at)
    with suppress(Unavailable):  # busy with what matters more: the next request notes it
        run_in_transaction(lambda session: session.execute(mark), patient=False)


def list_sessions(operator_id: int) -> list[OperatorSession]:
    """The operator's sessions, the one used last first."""
    at = now()
    query = (
        select(OperatorSession)
        .where(
            OperatorSession.operator_id == operator_id,
            OperatorSession.last_used_at > at - SESSION_IDLE_TIMEOUT,
            OperatorSession.created_at > at - SESSION_LIFETIME,
        )
        .order_by(OperatorSession.last_used_at.desc(), OperatorSession.id.desc())
    )
    return list(db.session.scalars(query))


def end_session(operator_id: int, session_id: int) -> None:
    """End one of the operator's own sessions; nothing happens if it has ended already."""
    own = delete(OperatorSession).where(OperatorSession.operator_id == operator_id, OperatorSession.id == session_id)
    run_in_transaction(lambda session: session.execute(own))


def change_password(who: AuthenticatedSession, old: str, new: str) -> None:
    """The operator's own password; her other sessions end. Raises WrongPassword and UnfitPassword, LockedOut."""
    operator = who.operator
    _check_not_locked(operator.email)
    if not verify_password(old, operator.password_hash):
        run_in_transaction(lambda session: _record_failure(session, operator.email))
        raise InvalidCredentials("This is not your present password.")
    password_hash = hash_password(new)

    def work(session: Session) -> None:
        session.execute(update(Operator).where(Operator.id == operator.id).values(password_hash=password_hash))
        revoke_sessions(session, operator.id, but=who.session_id)

    run_in_transaction(work)
