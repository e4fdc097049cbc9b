"""Signing in: sessions that expire, and a door that closes after too many wrong passwords."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.operators import Operator, OperatorSession, end_sessions, hashed, is_password
from app.access.secret_digests import digest_of, new_secret
from app.core import dialects
from app.core.database import Base, Moment, db, in_transaction, now
from app.core.errors import Refusal, Unavailable

IDLE = timedelta(hours=12)
LONGEST_SESSION = timedelta(days=7)
USE_NOTED_EVERY = timedelta(minutes=1)

MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)


class WrongPassword(Refusal):
    """The e-mail and the password do not belong together, or to nobody who may sign in."""


class LockedOut(Refusal):
    """Too many wrong passwords for this e-mail; whether it is an operator's or not."""


class FailedSignIn(Base):
    """Wrong passwords for an e-mail, one after the other."""

    __tablename__ = "failed_sign_ins"

    email: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class SignedIn:
    """An operator, and the session in which she is at work."""

    operator: Operator
    session_id: int


def sign_in(email: str, password: str, browser: str) -> str:
    """The secret of a new session. Raises WrongPassword and LockedOut."""
    email = email.strip().casefold()
    _refuse_if_locked(email)
    operator = db.session.scalar(select(Operator).where(Operator.email == email, Operator.deactivated_at.is_(None)))
    if not is_password(password, operator.password_hash if operator else None) or operator is None:
        in_transaction(lambda session: _note_failure(session, email))
        raise WrongPassword("This e-mail and password do not belong together.")
    return _open_session(operator.id, email, browser)


def _refuse_if_locked(email: str) -> None:
    failed = db.session.get(FailedSignIn, email)
    if failed and failed.failures >= MOST_FAILURES and failed.last_at > now() - LOCKED_FOR:
        minutes = int(LOCKED_FOR.total_seconds() // 60)
        raise LockedOut(f"Too many wrong passwords. Signing in with this e-mail is closed for {minutes} minutes.")


def _note_failure(session: Session, email: str) -> None:
    session.execute(delete(FailedSignIn).where(FailedSignIn.last_at <= now() - LOCKED_FOR))
    dialects.increase(session, FailedSignIn.__table__, {"email": email}, "failures", 1, last_at=now())


def _open_session(operator_id: int, email: str, browser: str) -> str:
    secret, at = new_secret(), now()

    def work(session: Session) -> None:
        session.execute(delete(FailedSignIn).where(FailedSignIn.email == email))
        over = (OperatorSession.last_used_at <= at - IDLE) | (OperatorSession.created_at <= at - LONGEST_SESSION)
        session.execute(delete(OperatorSession).where(over))
        session.add(
            OperatorSession(
                operator_id=operator_id, digest=digest_of(secret), browser=browser, created_at=at, last_used_at=at
            )
        )

    in_transaction(work)
    return secret


def signed_in(secret: str) -> SignedIn | None:
    """Who is at work in the session with this secret, unless it has ended."""
    at = now()
    query = (
        select(Operator, OperatorSession.id, OperatorSession.last_used_at)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(
            OperatorSession.digest == digest_of(secret),
            OperatorSession.last_used_at > at - IDLE,
            OperatorSession.created_at > at - LONGEST_SESSION,
            Operator.deactivated_at.is_(None),
        )
    )
    found = db.session.execute(query).one_or_none()
    if found is None:
        return None
    operator, session_id, last_used_at = found
    if last_used_at <= at - USE_NOTED_EVERY:
        _note_use(session_id, at)
    return SignedIn(operator, session_id)


def _note_use(session_id: int, at: datetime) -> None:
    mark = update(OperatorSession).where(OperatorSession.id == session_id).values(last_used_at=at)
    with suppress(Unavailable):  # busy with what matters more: the next request notes it
        in_transaction(lambda session: session.execute(mark), patient=False)


def sessions_of(operator_id: int) -> list[OperatorSession]:
    """The operator's sessions, the one used last first."""
    at = now()
    query = (
        select(OperatorSession)
        .where(
            OperatorSession.operator_id == operator_id,
            OperatorSession.last_used_at > at - IDLE,
            OperatorSession.created_at > at - LONGEST_SESSION,
        )
        .order_by(OperatorSession.last_used_at.desc(), OperatorSession.id.desc())
    )
    return list(db.session.scalars(query))


def end_session(operator_id: int, session_id: int) -> None:
    """End one of the operator's own sessions; nothing happens if it has ended already."""
    own = delete(OperatorSession).where(OperatorSession.operator_id == operator_id, OperatorSession.id == session_id)
    in_transaction(lambda session: session.execute(own))


def change_password(who: SignedIn, old: str, new: str) -> None:
    """The operator's own password; her other sessions end. Raises WrongPassword and UnfitPassword, LockedOut."""
    operator = who.operator
    _refuse_if_locked(operator.email)
    if not is_password(old, operator.password_hash):
        in_transaction(lambda session: _note_failure(session, operator.email))
        raise WrongPassword("This is not your present password.")
    password_hash = hashed(new)

    def work(session: Session) -> None:
        session.execute(update(Operator).where(Operator.id == operator.id).values(password_hash=password_hash))
        end_sessions(session, operator.id, but=who.session_id)

    in_transaction(work)
