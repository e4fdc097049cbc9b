"""Operators: the people who sign in to the pages."""

from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import ForeignKey, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.secret_digests import new_secret, sha256_hex
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import DomainError, DuplicateName, NotFound
from app.core.models.change_sets import Actor

ROLES = ("viewer", "editor", "admin")
"""A viewer sees; an editor also changes segments and imports; an admin also manages tokens and operators."""

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 500
INVITATION_LIFETIME = timedelta(days=7)

_hasher = PasswordHasher()


class InvalidPassword(DomainError):
    """The password is too short, or too long, to be one."""


class LastAdmin(DomainError):
    """Without this operator nobody could manage operators any more."""


class Operator(Base):
    __tablename__ = "operators"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    """None until the invitation is taken up."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    invitation_digest: Mapped[str | None] = mapped_column(unique=True)
    invited_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deactivated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def state(self) -> str:
        """`active`, `get_invitation` or `deactivated`."""
        if self.deactivated_at:
            return "deactivated"
        return "active" if self.password_hash else "invited"

    def has_role(self, role: str) -> bool:
        """Whether the operator's role allows what that role allows."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def actor(self) -> Actor:
        return Actor(f"operator {self.email}", "page")


class OperatorSession(Base):
    """An operator signed in with one browser."""

    __tablename__ = "operator_sessions"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    browser: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)


def list_operators() -> list[Operator]:
    return list(db.session.scalars(select(Operator).order_by(Operator.email)))


def get_operator(operator_id: int, session: Session | None = None) -> Operator:
    """Raises NotFound."""
    operator = (session or db.session).get(Operator, operator_id)
    if operator is None:
        raise NotFound("There is no such operator.")
    return operator


def create_operator(email: str, role: str, password: str) -> None:
    """E-mails are compared without regard to case. Raises NameTaken and UnfitPassword."""
    _add(Operator(email=email.casefold(), role=role, password_hash=hash_password(password), created_at=now()))


def invite_operator(email: str, role: str) -> str:
    """The secret of an invitation that is good once, for a week. Raises NameTaken."""
    secret = new_secret()
    at = now()
    _add(
        Operator(
            email=email.casefold(),
            role=role,
            created_at=at,
            invitation_digest=sha256_hex(secret),
            invited_until=at + INVITATION_LIFETIME,
        )
    )
    return secret


def _add(operator: Operator) -> None:
    try:
        run_in_transaction(lambda session: session.add(operator))
    except IntegrityError:
        raise DuplicateName(f"An operator with the e-mail {operator.email} exists already.") from None


def reissue_invitation(operator_id: int) -> str:
    """A new invitation, also for who has forgotten the password; an earlier one ends. Raises NotFound."""
    secret = new_secret()

    def work(session: Session) -> None:
        operator = get_operator(operator_id, session)
        operator.invitation_digest, operator.invited_until = sha256_hex(secret), now() + INVITATION_LIFETIME

    run_in_transaction(work)
    return secret


def get_invitation(secret: str, session: Session | None = None) -> Operator:
    """Whom an invitation is for. Raises NotFound for one that is unknown, taken up or too old."""
    query = select(Operator).where(Operator.invitation_digest == sha256_hex(secret), Operator.deactivated_at.is_(None))
    operator = (session or db.session).scalar(query)
    if operator is None or operator.invited_until is None or operator.invited_until <= now():
        raise NotFound("This invitation is not valid any more. Ask an admin for a new link.")
    return operator


def accept_invitation(secret: str, password: str) -> str:
    """Set the first password (or a forgotten one); gives back the e-mail. Raises NotFound and UnfitPassword."""
    password_hash = hash_password(password)

    def work(session: Session) -> str:
        operator = get_invitation(secret, session)
        operator.password_hash = password_hash
        operator.invitation_digest = operator.invited_until = None
        revoke_sessions(session, operator.id)
        return operator.email

    return run_in_transaction(work)


def set_password(email: str, password: str) -> None:
    """Also ends the operator's sessions. Raises NotFound and UnfitPassword."""
    password_hash = hash_password(password)

    def work(session: Session) -> None:
        operator = session.scalar(select(Operator).where(Operator.email == email.casefold()))
        if operator is None:
            raise NotFound(f"No operator has the e-mail {email}.")
        operator.password_hash = password_hash
        revoke_sessions(session, operator.id)

    run_in_transaction(work)


def set_role(operator_id: int, role: str) -> None:
    """Raises NotFound and LastAdmin."""

    def work(session: Session) -> None:
        get_operator(operator_id, session).role = role
        _keep_an_admin(session)

    run_in_transaction(work)


def set_active(operator_id: int, active: bool) -> None:
    """Whoever is not active cannot sign in, and is signed out at once. Raises NotFound and LastAdmin."""

    def work(session: Session) -> None:
        operator = get_operator(operator_id, session)
        operator.deactivated_at = None if active else operator.deactivated_at or now()
        if not active:
            operator.invitation_digest = operator.invited_until = None
            revoke_sessions(session, operator_id)
        _keep_an_admin(session)

    run_in_transaction(work)


def _keep_an_admin(session: Session) -> None:
    session.flush()
    able = Operator.role == "admin", Operator.deactivated_at.is_(None), Operator.password_hash.is_not(None)
    if not session.scalar(select(func.count()).where(*able)):
        raise LastAdmin("This is the last admin who can sign in: make somebody else an admin first.")


def revoke_sessions(session: Session, operator_id: int, *, but: int | None = None) -> None:
    """Sign the operator out everywhere, or everywhere but in one session."""
    mine = delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    session.execute(mine if but is None else mine.where(OperatorSession.id != but))


def hash_password(password: str) -> str:
    """Raises UnfitPassword."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidPassword(
            f"A password has at least {MIN_PASSWORD_LENGTH} characters, and at most {MAX_PASSWORD_LENGTH}."
        )
    return _hasher.hash(password)


@cache
def _dummy_hash() -> str:
    return _hasher.hash("nobody has this password")


def verify_password(password: str, password_hash: str | None) -> bool:
    """Takes as long when there is no hash at all: how long it took must not tell who is an operator."""
    try:
        return (
            _hasher.verify(password_hash or _dummy_hash(), password[: MAX_PASSWORD_LENGTH + 1])
            and password_hash is not None
        )
    except VerificationError:
        return False
