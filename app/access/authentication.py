"""Signing in with e-mail and password, and the sessions that follow."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.operators import Operator
from app.access.passwords import hash_password, verify_password
from app.access.secret_digests import sha256_hex
from app.access.sessions import (
    LAST_USED_RESOLUTION,
    OperatorSession,
    create_session_in,
    revoke_sessions,
    touch_session,
    unexpired,
)
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import RateLimited, Unauthenticated

MAX_FAILURES = 5
LOCKOUT = timedelta(minutes=15)


class InvalidCredentials(Unauthenticated):
    code = "INVALID_CREDENTIALS"
    explanation = "Wrong e-mail or password, or a deactivated operator."


class AccountLocked(RateLimited):
    code = "ACCOUNT_LOCKED"
    explanation = "Too many failed sign-ins with this e-mail, whether or not an operator has it."


class FailedSignIn(Base):
    """Consecutive failed sign-ins with an e-mail."""

    __tablename__ = "failed_sign_ins"

    email: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class AuthenticatedSession:
    """An operator, and the session that their request belongs to."""

    operator: Operator
    session_id: int


def sign_in(email: str, password: str, browser: str) -> str:
    """Return the secret of a new session. Raises InvalidCredentials and AccountLocked."""
    email = email.strip().casefold()
    _check_not_locked(email)
    operator = db.session.scalar(select(Operator).where(Operator.email == email, Operator.deactivated_at.is_(None)))
    if not verify_password(password, operator.password_hash if operator else None) or operator is None:
        run_in_transaction(lambda session: _record_failure(session, email))
        raise InvalidCredentials("Incorrect email or password.")
    operator_id = operator.id

    def work(session: Session) -> str:
        session.execute(delete(FailedSignIn).where(FailedSignIn.email == email))
        return create_session_in(session, operator_id, browser)

    return run_in_transaction(work)


def _check_not_locked(email: str) -> None:
    failed = db.session.get(FailedSignIn, email)
    if failed and failed.failures >= MAX_FAILURES and failed.last_at > now() - LOCKOUT:
        minutes = int(LOCKOUT.total_seconds() // 60)
        raise AccountLocked(f"Too many failed attempts. Try again in {minutes} minutes.")


def _record_failure(session: Session, email: str) -> None:
    session.execute(delete(FailedSignIn).where(FailedSignIn.last_at <= now() - LOCKOUT))
    dialects.upsert_increment(session, FailedSignIn.__table__, {"email": email}, "failures", 1, last_at=now())


def authenticate_session(secret: str) -> AuthenticatedSession | None:
    """Return the session with this secret, unless it has expired or its operator is deactivated."""
    at = now()
    query = (
        select(Operator, OperatorSession.id, OperatorSession.last_used_at)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(OperatorSession.digest == sha256_hex(secret), unexpired(at), Operator.deactivated_at.is_(None))
    )
    row = db.session.execute(query).one_or_none()
    if row is None:
        return None
    operator, session_id, last_used_at = row
    if last_used_at <= at - LAST_USED_RESOLUTION:
        touch_session(session_id, at)
    return AuthenticatedSession(operator, session_id)


def change_password(current: AuthenticatedSession, old: str, new: str) -> None:
    """Set the operator's own password and end their other sessions.

    Raises InvalidCredentials, AccountLocked and InvalidPassword.
    """
    operator = current.operator
    _check_not_locked(operator.email)
    if not verify_password(old, operator.password_hash):
        run_in_transaction(lambda session: _record_failure(session, operator.email))
        raise InvalidCredentials("Current password is incorrect.")
    password_hash = hash_password(new)

    def work(session: Session) -> None:
        session.execute(update(Operator).where(Operator.id == operator.id).values(password_hash=password_hash))
        revoke_sessions(session, operator.id, except_id=current.session_id)

    run_in_transaction(work)
