"""Operators: the people who sign in to the pages, and their roles."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.passwords import hash_password
from app.access.sessions import revoke_sessions
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

    @property
    def state(self) -> str:
        """`active`, `invited` or `deactivated`."""
        if self.deactivated_at:
            return "deactivated"
        return "active" if self.password_hash else "invited"

    def has_role(self, role: str) -> bool:
        """Return whether the operator's role is `role` or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def actor(self) -> Actor:
        return Actor(f"operator {self.email}", "page")


def list_operators() -> list[Operator]:
    return list(db.session.scalars(select(Operator).order_by(Operator.email)))


def get_operator(operator_id: int, session: Session | None = None) -> Operator:
    """Return the operator with this id. Raises NotFound."""
    operator = (session or db.session).get(Operator, operator_id)
    if operator is None:
        raise NotFound("Operator not found.")
    return operator


def create_operator(email: str, role: str, password: str) -> None:
    """Create an operator. E-mails are compared without regard to case. Raises DuplicateName and InvalidPassword."""
    add_operator(Operator(email=email.casefold(), role=role, password_hash=hash_password(password), created_at=now()))


def add_operator(operator: Operator) -> None:
    """Insert the operator. Raises DuplicateName."""
    try:
        run_in_transaction(lambda session: session.add(operator))
    except IntegrityError:
        raise DuplicateName(f"An operator with the email {operator.email} exists already.") from None


def set_password(email: str, password: str) -> None:
    """Set an operator's password and end all their sessions. Raises NotFound and InvalidPassword."""
    password_hash = hash_password(password)

    def work(session: Session) -> None:
        operator = session.scalar(select(Operator).where(Operator.email == email.casefold()))
        if operator is None:
            raise NotFound(f"No operator has the email {email}.")
        operator.password_hash = password_hash
        revoke_sessions(session, operator.id)

    run_in_transaction(work)


def set_role(operator_id: int, role: str) -> None:
    """Set an operator's role, from their next request on. Raises NotFound and LastAdmin."""

    def work(session: Session) -> None:
        get_operator(operator_id, session).role = role
        _require_an_admin(session)

    run_in_transaction(work)


def set_active(operator_id: int, active: bool) -> None:
    """Deactivate an operator and end their sessions, or reactivate them. Raises NotFound and LastAdmin."""

    def work(session: Session) -> None:
        operator = get_operator(operator_id, session)
        operator.deactivated_at = None if active else operator.deactivated_at or now()
        if not active:
            operator.invitation_digest = operator.invited_until = None
            revoke_sessions(session, operator_id)
        _require_an_admin(session)

    run_in_transaction(work)


def _require_an_admin(session: Session) -> None:
    session.flush()
    can_sign_in = Operator.role == "admin", Operator.deactivated_at.is_(None), Operator.password_hash.is_not(None)
    if not session.scalar(select(func.count()).where(*can_sign_in)):
        raise LastAdmin("You need at least one admin. Make someone else an admin first.")
