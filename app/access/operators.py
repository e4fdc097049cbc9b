"""Operators: the people who sign in to the pages, and their roles."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.audit_log import record_event
from app.access.email_addresses import normalize_email, parse_email
from app.access.passwords import hash_password
from app.access.sessions import require_renewal, revoke_sessions
from app.access.sign_in_throttle import clear_failures
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import Conflict, DuplicateName, NotFound
from app.core.models.change_sets import Actor

ROLES = ("viewer", "editor", "admin")
"""In ascending order: viewers can view, editors also change segments and import files, admins have full access."""


class LastAdmin(Conflict):
    code = "LAST_ADMIN"
    explanation = "Without this operator there would be no admin."


class Operator(Base):
    __tablename__ = "operators"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    """None until the invitation is accepted."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    invitation_digest: Mapped[str | None] = mapped_column(unique=True)
    invited_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deactivated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)
    """Issuer and subject of the operator at the provider of single sign-on, separated by a space."""
    locale: Mapped[str | None]
    """The language that the operator chose; None for the browser's."""

    @property
    def state(self) -> str:
        """`active`, `invited` or `deactivated`."""
        if self.deactivated_at:
            return "deactivated"
        return "active" if self.password_hash or self.oidc_subject else "invited"

    def has_role(self, role: str) -> bool:
        """Return whether the operator's role is `role` or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def actor(self) -> Actor:
        return Actor(f"operator {self.email}", "page")


@dataclass(frozen=True)
class AuthenticatedSession:
    """An operator, and the session that their request belongs to."""

    operator: Operator
    session_id: int
    created_at: datetime
    method: str
    """See `OperatorSession.method`."""
    renewal_due: bool


def list_operators() -> list[Operator]:
    return list(db.session.scalars(select(Operator).order_by(Operator.email)))


def get_operator(operator_id: int, session: Session | None = None) -> Operator:
    """Return the operator with this id. Raises NotFound."""
    operator = (session or db.session).get(Operator, operator_id)
    if operator is None:
        raise NotFound("Operator not found.")
    return operator


def find_operator(email: str) -> Operator:
    """Return the operator with this e-mail. Raises NotFound."""
    operator = db.session.scalar(select(Operator).where(Operator.email == normalize_email(email)))
    if operator is None:
        raise NotFound(f"No operator has the email {email}.")
    return operator


def create_operator(email: str, role: str, password: str) -> None:
    """Create an operator. Raises InvalidEmail, DuplicateName and InvalidPassword."""
    email = parse_email(email)
    password_hash = hash_password(password, email)
    add_operator(Operator(email=email, role=role, password_hash=password_hash, created_at=now()), "operator_created")


def add_operator(operator: Operator, event: str) -> None:
    """Insert the operator and record the event. Raises DuplicateName."""

    def work(session: Session) -> None:
        session.add(operator)
        record_event(session, event, operator.email, after={"role": operator.role})

    try:
        run_in_transaction(work)
    except IntegrityError:
        raise DuplicateName(f"An operator with the email {operator.email} exists already.") from None


def set_password(email: str, password: str) -> None:
    """Set an operator's password, end their sessions and the delay of failed sign-ins.

    Raises NotFound and InvalidPassword.
    """
    email = normalize_email(email)
    password_hash = hash_password(password, email)

    def work(session: Session) -> None:
        operator = session.scalar(select(Operator).where(Operator.email == email))
        if operator is None:
            raise NotFound(f"No operator has the email {email}.")
        replace_password(session, operator, password_hash)
        record_event(session, "password_changed", email)

    run_in_transaction(work)


def replace_password(session: Session, operator: Operator, password_hash: str) -> None:
    """Set the password; end the operator's sessions, invitation and delay of failed sign-ins."""
    operator.password_hash = password_hash
    operator.invitation_digest = operator.invited_until = None
    revoke_sessions(session, operator.id)
    clear_failures(session, operator.email)


def set_role(operator_id: int, role: str) -> None:
    """Set an operator's role, from their next request on. Raises NotFound and LastAdmin."""

    def work(session: Session) -> None:
        operator = get_operator(operator_id, session)
        before, operator.role = operator.role, role
        if before != role:
            require_renewal(session, operator_id)
            record_event(session, "role_changed", operator.email, before={"role": before}, after={"role": role})
        require_an_admin(session)

    run_in_transaction(work)


def set_locale(operator_id: int, locale: str | None) -> None:
    """Set the language in which an operator sees the pages; None for that of their browser. Raises NotFound."""

    def work(session: Session) -> None:
        get_operator(operator_id, session).locale = locale

    run_in_transaction(work)


def set_active(operator_id: int, active: bool) -> None:
    """Deactivate an operator and end their sessions, or reactivate them. Raises NotFound and LastAdmin."""

    def work(session: Session) -> None:
        operator = get_operator(operator_id, session)
        operator.deactivated_at = None if active else operator.deactivated_at or now()
        if not active:
            operator.invitation_digest = operator.invited_until = None
            revoke_sessions(session, operator_id)
        record_event(session, "operator_reactivated" if active else "operator_deactivated", operator.email)
        require_an_admin(session)

    run_in_transaction(work)


def require_an_admin(session: Session) -> None:
    """Raise LastAdmin if no admin could sign in after this transaction."""
    session.flush()
    has_credentials = or_(Operator.password_hash.is_not(None), Operator.oidc_subject.is_not(None))
    can_sign_in = Operator.role == "admin", Operator.deactivated_at.is_(None), has_credentials
    if not session.scalar(select(func.count()).where(*can_sign_in)):
        raise LastAdmin("You need at least one admin. Make someone else an admin first.")
