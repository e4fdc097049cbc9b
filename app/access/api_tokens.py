"""API tokens: random, kept as a hash, shown once."""

import hmac
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.ip_allowlist import parse_networks
from app.access.secret_digests import new_secret, sha256_hex
from app.core import dialects
from app.core.changes.replace_segments import Guard
from app.core.database import Base, UtcDateTime, db, fetch_autocommit, now, run_in_transaction
from app.core.errors import DomainError, DuplicateName, NotFound, Unavailable
from app.core.models.change_sets import Actor

SCOPES = ("segments:read", "segments:write", "customers:read", "customers:write", "changes:read")
PREFIX = "cs_"
LAST_USED_RESOLUTION = timedelta(minutes=1)


class TokenRevoked(DomainError):
    """A revoked token stays as it was."""


class ApiToken(Base):
    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(dialects.Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    guard_customers: Mapped[int | None]
    guard_percent: Mapped[int | None]
    networks: Mapped[list[str]] = mapped_column(dialects.Json)
    """Where it may be used from; anywhere, if there is none."""
    previous_digest: Mapped[str | None] = mapped_column(index=True, unique=True)
    """Of the secret before the last rotation, which opens the token until `previous_until`."""
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now() else "active"

    @property
    def in_rotation(self) -> bool:
        """Whether the secret before the last rotation still opens it."""
        return bool(self.previous_until and self.previous_until > now())

    @property
    def guard(self) -> Guard | None:
        guarded = self.guard_customers is not None or self.guard_percent is not None
        return Guard(self.guard_customers, self.guard_percent) if guarded else None

    def matches(self, digest: str) -> bool:
        """Whether the secret with this digest opens it, as far as the secret goes."""
        previous = self.previous_digest if self.in_rotation else None
        return hmac.compare_digest(self.digest, digest) or hmac.compare_digest(previous or "", digest)


@dataclass(frozen=True)
class ApiClient:
    """Who a token speaks for, and what it may do."""

    id: int
    name: str
    scopes: frozenset[str]
    last_used_at: datetime | None
    guard: Guard | None = None
    networks: tuple[str, ...] = ()
    used_previous_secret: bool = False
    """Whether the call came with the secret before the last rotation."""

    def actor(self) -> Actor:
        return Actor(f"token {self.name}", "api")


def create_token(
    name: str,
    scopes: tuple[str, ...] = SCOPES,
    expires_in: timedelta | None = None,
    guard: Guard | None = None,
    networks: Iterable[str] = (),
) -> str:
    """The secret of a new token; it cannot be had again. Raises NameTaken and NotANetwork."""
    allowed = parse_networks(networks)
    secret = new_secret(PREFIX)

    def work(session: Session) -> None:
        at = now()
        session.add(
            ApiToken(
                name=name,
                digest=sha256_hex(secret),
                scopes=list(scopes),
                created_at=at,
                expires_at=expires_in and at + expires_in,
                guard_customers=guard and guard.customers,
                guard_percent=guard and guard.percent,
                networks=allowed,
            )
        )

    try:
        run_in_transaction(work)
    except IntegrityError:
        raise DuplicateName(f"A token named {name} exists already; names are not used twice.") from None
    return secret


def list_tokens() -> list[ApiToken]:
    return list(db.session.scalars(select(ApiToken).order_by(ApiToken.name)))


def get_token(token_id: int) -> ApiToken:
    """Raises NotFound."""
    token = db.session.get(ApiToken, token_id)
    if token is None:
        raise NotFound("There is no such token.")
    return token


def update_token(token_id: int, guard: Guard, networks: Iterable[str], expires_at: datetime | None) -> None:
    """Set what limits a token, from the next request on. Raises NotFound, TokenRevoked and NotANetwork."""
    allowed = parse_networks(networks)

    def work(session: Session) -> None:
        token = _for_update(session, token_id)
        token.guard_customers, token.guard_percent = guard.customers, guard.percent
        token.networks = allowed
        token.expires_at = expires_at

    run_in_transaction(work)


def rotate_token(token_id: int, overlap: timedelta) -> str:
    """Another secret for the same token; it cannot be had again. The one before goes on opening it that long.

    A secret older still opens nothing any more. Raises NotFound and TokenRevoked.
    """
    secret = new_secret(PREFIX)

    def work(session: Session) -> None:
        token = _for_update(session, token_id)
        token.previous_digest = token.digest if overlap else None
        token.previous_until = now() + overlap if overlap else None
        token.digest = sha256_hex(secret)

    run_in_transaction(work)
    return secret


def _for_update(session: Session, token_id: int) -> ApiToken:
    token = session.get(ApiToken, token_id)
    if token is None:
        raise NotFound("There is no such token.")
    if token.revoked_at:
        raise TokenRevoked(f"The token {token.name} is revoked, and stays so. Nothing was changed.")
    return token


def revoke_token(name: str) -> None:
    """From the next request on, the token opens nothing. Raises NotFound."""

    def work(session: Session) -> None:
        token = session.scalar(select(ApiToken).where(ApiToken.name == name))
        if token is None:
            raise NotFound(f"No token is named {name}.")
        token.revoked_at = token.revoked_at or now()

    run_in_transaction(work)


_TOKEN_COLUMNS: ColumnElement[str] = bindparam("asked")
_BY_DIGEST = select(ApiToken.__table__).where(
    or_(ApiToken.digest == _TOKEN_COLUMNS, ApiToken.previous_digest == _TOKEN_COLUMNS)
)


def authenticate_token(secret: str) -> ApiClient | None:
    """Whoever this secret was given to, unless it is unknown, expired or revoked."""
    digest = sha256_hex(secret)
    found = fetch_autocommit(_BY_DIGEST, {"asked": digest})
    token = ApiToken(**found[0]._mapping) if found else None
    if token is None or not token.matches(digest) or token.state != "active":
        return None
    return ApiClient(
        token.id,
        token.name,
        frozenset(token.scopes),
        token.last_used_at,
        token.guard,
        tuple(token.networks),
        used_previous_secret=token.digest != digest,
    )


def touch_last_used(who: ApiClient) -> None:
    """Remember that the token was used just now, to the minute: not with a write per request."""
    before = now() - LAST_USED_RESOLUTION
    if who.last_used_at and who.last_used_at > before:
        return
    unless_noted = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= before)
    mark = update(ApiToken).where(ApiToken.id == who.id, unless_noted).values(last_used_at=now())

    def work(session: Session) -> None:
        session.execute(mark)

    with suppress(Unavailable):  # busy with what matters more: the next request notes it
        run_in_transaction(work, patient=False)
