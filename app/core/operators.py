"""Operators: the people who sign in to the pages."""

from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, Moment, in_transaction, now
from app.core.errors import NameTaken, NotFound, Refusal

ROLES = ("viewer", "editor", "admin")
"""A viewer sees; an editor also changes segments and imports; an admin also manages tokens and operators."""

SHORTEST_PASSWORD = 10

_hasher = PasswordHasher()


class UnfitPassword(Refusal):
    """The password is too short to be one."""


class Operator(Base):
    __tablename__ = "operators"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Moment)


def create_operator(email: str, role: str, password: str) -> None:
    """E-mails are compared without regard to case. Raises NameTaken and UnfitPassword."""
    password_hash = _hashed(password)

    def work(session: Session) -> None:
        session.add(Operator(email=email.casefold(), role=role, password_hash=password_hash, created_at=now()))

    try:
        in_transaction(work)
    except IntegrityError:
        raise NameTaken(f"An operator with the e-mail {email} exists already.") from None


def set_password(email: str, password: str) -> None:
    """Raises NotFound and UnfitPassword."""
    password_hash = _hashed(password)

    def work(session: Session) -> None:
        operator = session.scalar(select(Operator).where(Operator.email == email.casefold()))
        if operator is None:
            raise NotFound(f"No operator has the e-mail {email}.")
        operator.password_hash = password_hash

    in_transaction(work)


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UnfitPassword(f"A password has at least {SHORTEST_PASSWORD} characters.")
    return _hasher.hash(password)
