"""Invitations: links by which an operator sets the first password, or replaces a forgotten one."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.audit_log import record_event
from app.access.authentication import open_session
from app.access.email_addresses import parse_email
from app.access.operators import Operator, add_operator, get_operator, replace_password
from app.access.passwords import hash_password
from app.access.secret_digests import new_secret, sha256_hex
from app.access.sessions import ClientInfo, NewSession
from app.core.database import db, now, run_in_transaction
from app.core.errors import NotFound

INVITATION_LIFETIME = timedelta(days=7)


def invite_operator(email: str, role: str) -> str:
    """Return the secret of an invitation for a new operator; it works once. Raises InvalidEmail, DuplicateName."""
    email = parse_email(email)
    secret = new_secret()
    at = now()
    operator = Operator(
        email=email,
        role=role,
        created_at=at,
        invitation_digest=sha256_hex(secret),
        invited_until=at + INVITATION_LIFETIME,
    )
    add_operator(operator, "operator_invited")
    return secret


def reissue_invitation(operator_id: int) -> str:
    """Return the secret of a new invitation, which replaces an earlier one. Raises NotFound."""
    secret = new_secret()

    def work(session: Session) -> None:
        operator = get_operator(operator_id, session)
        operator.invitation_digest, operator.invited_until = sha256_hex(secret), now() + INVITATION_LIFETIME
        record_event(session, "invitation_reissued", operator.email)

    run_in_transaction(work)
    return secret


def get_invitation(secret: str, session: Session | None = None) -> Operator:
    """Return the operator whom this invitation is for. Raises NotFound if it is unknown, used or expired."""
    query = select(Operator).where(Operator.invitation_digest == sha256_hex(secret), Operator.deactivated_at.is_(None))
    operator = (session or db.session).scalar(query)
    if operator is None or operator.invited_until is None or operator.invited_until <= now():
        raise NotFound("This invitation has expired or was already used. Ask an admin for a new one.")
    return operator


def accept_invitation(secret: str, password: str, client: ClientInfo) -> NewSession:
    """Set the password of the invited operator and sign them in.

    The invitation is used up only if the session was created. Raises NotFound, InvalidPassword and
    TooManyPasswordChecks.
    """
    password_hash = hash_password(password, get_invitation(secret).email)

    def work(session: Session) -> NewSession:
        operator = get_invitation(secret, session)
        replace_password(session, operator, password_hash)
        record_event(session, "invitation_accepted", operator.email, actor=f"operator {operator.email}")
        return open_session(session, operator.id, operator.email, client)

    return run_in_transaction(work)
