"""Operators who sign in at an OpenID Connect provider, and their role by a claim."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.audit_log import record_event
from app.access.email_addresses import InvalidEmail, parse_email
from app.access.operators import ROLES, Operator, require_an_admin
from app.access.sessions import ClientInfo, NewSession, create_session_in, require_renewal
from app.core.database import now, run_in_transaction
from app.core.errors import Forbidden


class SignInRefused(Forbidden):
    code = "SIGN_IN_REFUSED"
    explanation = "The provider knows the person, but they may not use the service."


def sign_in_with_claims(claims: Mapping[str, Any], role_claim: str | None, client: ClientInfo) -> NewSession:
    """Return a new session of the operator whom the verified claims of an ID token describe.

    The operator is found by issuer and subject, and the first time by verified e-mail. With a role claim the role is
    set at each sign-in, and a person with a role becomes an operator; without one only invited operators sign in.
    Raises SignInRefused and LastAdmin.
    """
    subject = f"{claims['iss']} {claims['sub']}"
    role = _role(claims, role_claim)

    def work(session: Session) -> NewSession:
        operator = _find(session, subject, claims) or _create(session, claims, role)
        if operator.deactivated_at:
            raise SignInRefused("Your account is deactivated. Ask an admin.")
        if role_claim and role is None:
            raise SignInRefused("Your account at the provider has no role for this service. Ask an admin.")
        operator.oidc_subject = subject
        if role and role != operator.role:
            _change_role(session, operator, role)
        session.flush()
        secret = create_session_in(session, operator.id, client, "single sign-on")
        record_event(session, "sign_in", actor=f"operator {operator.email}", after={"method": "single sign-on"})
        return NewSession(secret, pending=False, email=operator.email)

    return run_in_transaction(work)


def _change_role(session: Session, operator: Operator, role: str) -> None:
    before, operator.role = operator.role, role
    require_renewal(session, operator.id)
    record_event(session, "role_changed", operator.email, before={"role": before}, after={"role": role})
    if before == "admin":
        require_an_admin(session)


def _role(claims: Mapping[str, Any], role_claim: str | None) -> str | None:
    """Return the highest role that the claim names, or None."""
    value = claims.get(role_claim) if role_claim else None
    named = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return next((role for role in reversed(ROLES) if role in named), None)


def _find(session: Session, subject: str, claims: Mapping[str, Any]) -> Operator | None:
    operator = session.scalar(select(Operator).where(Operator.oidc_subject == subject))
    if operator is None and (email := _verified_email(claims)):
        operator = session.scalar(select(Operator).where(Operator.email == email, Operator.oidc_subject.is_(None)))
    return operator


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    if claims.get("email_verified") is not True:
        return None
    try:
        return parse_email(str(claims.get("email", "")))
    except InvalidEmail:
        return None


def _create(session: Session, claims: Mapping[str, Any], role: str | None) -> Operator:
    email = _verified_email(claims)
    if role is None or email is None or session.scalar(select(Operator.id).where(Operator.email == email)):
        raise SignInRefused("You have no access to this service. Ask an admin for an invitation.")
    operator = Operator(email=email, role=role, created_at=now())
    session.add(operator)
    session.flush()
    record_event(session, "operator_created", email, actor=f"operator {email}", after={"role": role})
    return operator
