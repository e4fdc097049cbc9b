"""Signing in with e-mail and password, and the session of each request."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.access.audit_log import record_event
from app.access.email_addresses import normalize_email
from app.access.operators import AuthenticatedSession, Operator
from app.access.passwords import TooManyPasswordChecks, hash_password, verify_password
from app.access.second_factor import has_second_factor
from app.access.secret_digests import new_secret
from app.access.sessions import (
    LAST_USED_RESOLUTION,
    PENDING_LIFETIME,
    ClientInfo,
    NewSession,
    OperatorSession,
    create_session_in,
    renew_secret_in,
    revoke_sessions,
    touch_session,
    unexpired,
    with_secret,
)
from app.access.sign_in_throttle import SignInOrigin, count_attempt, forgive_attempt
from app.core.database import db, now, run_in_transaction
from app.core.errors import Unauthenticated
from app.core.limits import MAX_EMAIL_LENGTH


class InvalidCredentials(Unauthenticated):
    code = "INVALID_CREDENTIALS"
    explanation = "Wrong e-mail or password, or a deactivated operator."


def sign_in(email: str, password: str, client: ClientInfo) -> NewSession:
    """Return a new session. Raises InvalidCredentials, AccountLocked and TooManyPasswordChecks."""
    email = normalize_email(email)
    if len(email) > MAX_EMAIL_LENGTH or not email.isprintable():
        raise InvalidCredentials("Incorrect email or password.")
    origin = SignInOrigin(client.address, client.device)
    count_attempt(email, origin)
    query = select(Operator).where(Operator.email == email, Operator.deactivated_at.is_(None))
    operator = db.session.scalar(query)
    try:
        matches = verify_password(password, operator.password_hash if operator else None)
    except TooManyPasswordChecks:
        run_in_transaction(lambda session: forgive_attempt(session, email, origin))
        raise
    if operator is None or not matches:
        run_in_transaction(lambda session: record_event(session, "sign_in_failed", email))
        raise InvalidCredentials("Incorrect email or password.")
    operator_id = operator.id

    def work(session: Session) -> NewSession:
        forgive_attempt(session, email, origin)
        return open_session(session, operator_id, email, client)

    return run_in_transaction(work)


def open_session(session: Session, operator_id: int, email: str, client: ClientInfo) -> NewSession:
    """Return a new session after the password was checked; it is pending if the operator has a second factor."""
    pending = has_second_factor(session, operator_id)
    secret = create_session_in(session, operator_id, client, "password", pending=pending)
    if not pending:
        record_event(session, "sign_in", actor=f"operator {email}", after={"method": "password"})
    return NewSession(secret, pending, email)


def authenticate_session(secret: str) -> AuthenticatedSession | None:
    """Return the session with this secret, unless it is pending or expired, or its operator is deactivated."""
    at = now()
    query = (
        select(Operator, OperatorSession)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(with_secret(secret, at), unexpired(at), ~OperatorSession.pending, Operator.deactivated_at.is_(None))
    )
    row = db.session.execute(query).one_or_none()
    if row is None:
        return None
    operator, session = row
    current = AuthenticatedSession(operator, session.id, session.created_at, session.method, session.renewal_due)
    if session.last_used_at <= at - LAST_USED_RESOLUTION:
        touch_session(session.id, at)
    return current


def pending_operator(secret: str) -> tuple[int, Operator] | None:
    """Return the session that waits for the second factor and its operator, or None."""
    at = now()
    query = (
        select(OperatorSession.id, Operator)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(
            with_secret(secret, at),
            OperatorSession.pending,
            OperatorSession.created_at > at - PENDING_LIFETIME,
            Operator.deactivated_at.is_(None),
        )
    )
    row = db.session.execute(query).one_or_none()
    return (row[0], row[1]) if row else None


def check_password(current: AuthenticatedSession, password: str, address: str) -> None:
    """Confirm the operator's own password. Raises InvalidCredentials, AccountLocked and TooManyPasswordChecks.

    Failures count for this session only: they do not delay a sign-in.
    """
    operator = current.operator
    email, password_hash = operator.email, operator.password_hash
    origin = SignInOrigin(address, f"session-{current.session_id}")
    count_attempt(email, origin)
    if not verify_password(password, password_hash):
        raise InvalidCredentials("Current password is incorrect.")
    run_in_transaction(lambda session: forgive_attempt(session, email, origin))


def change_password(current: AuthenticatedSession, old: str, new: str, address: str) -> str:
    """Set the operator's own password and end their other sessions; return the new secret of this one.

    Raises InvalidCredentials, AccountLocked, InvalidPassword and TooManyPasswordChecks.
    """
    operator_id, email = current.operator.id, current.operator.email
    check_password(current, old, address)
    values = {"password_hash": hash_password(new, email), "invitation_digest": None, "invited_until": None}
    secret = new_secret()

    def work(session: Session) -> None:
        session.execute(update(Operator).where(Operator.id == operator_id).values(values))
        revoke_sessions(session, operator_id, except_id=current.session_id)
        renew_secret_in(session, current.session_id, secret)
        record_event(session, "password_changed", email)

    run_in_transaction(work)
    return secret
