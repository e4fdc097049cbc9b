"""API tokens: random secrets, stored as a hash and shown once."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, bindparam, false, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.audit_log import record_event
from app.access.ip_allowlist import parse_networks
from app.access.secret_digests import new_secret, sha256_hex
from app.access.token_rules import GUARD_FIELDS, TokenRules
from app.access.token_types import parse_types
from app.core import dialects
from app.core.changes.guard import Guard
from app.core.database import Base, UtcDateTime, db, fetch_autocommit, now, run_in_transaction
from app.core.errors import Conflict, DuplicateName, NotFound, Unavailable
from app.core.models.change_sets import Actor

DEFAULT_SCOPES = ("segments:read", "segments:write", "customers:read", "customers:write", "changes:read")
SCOPES = (*DEFAULT_SCOPES, "customers:erase", "webhooks:write")
"""The last two are never default scopes: `customers:erase` destroys data, `webhooks:write` sends it elsewhere."""
PREFIX = "cs_"
LAST_USED_RESOLUTION = timedelta(minutes=1)


class TokenRevoked(Conflict):
    code = "TOKEN_REVOKED"
    explanation = "A revoked token cannot be changed."


class ApiToken(TokenRules, Base):
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
    guard_floor: Mapped[int | None]
    guard_warn_customers: Mapped[int | None]
    guard_warn_percent: Mapped[int | None]
    guard_holds: Mapped[bool] = mapped_column(server_default=false())
    """The fields of `Guard`."""
    networks: Mapped[list[str]] = mapped_column(dialects.Json)
    """The networks that requests are accepted from; empty for any."""
    types: Mapped[list[str]] = mapped_column(dialects.Json, server_default="[]")
    """The segment types that the token may change (contract §8); empty for all."""
    strict: Mapped[bool] = mapped_column(server_default=false())
    """Whether requests obey the rules of segment types (`app.core.models.segment_rules`)."""
    previous_digest: Mapped[str | None] = mapped_column(index=True, unique=True)
    """Digest of the secret before the last rotation, which is valid until `previous_until`."""
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class ApiClient:
    """The token of an authenticated request: its name, scopes and limits."""

    id: int
    name: str
    scopes: frozenset[str]
    last_used_at: datetime | None
    guard: Guard | None = None
    networks: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    """The segment types that it may change; empty for all."""
    strict: bool = False
    """Whether its requests obey the rules of segment types."""
    used_previous_secret: bool = False
    """Whether the request used the secret before the last rotation."""

    def actor(self) -> Actor:
        return Actor(f"token {self.name}", "api")


def create_token(  # noqa: PLR0913 - one parameter per limit
    name: str,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    expires_in: timedelta | None = None,
    guard: Guard | None = None,
    *,
    networks: Iterable[str] = (),
    types: Iterable[str] = (),
    strict: bool = False,
) -> str:
    """Return the secret of a new token; it cannot be read again.

    Raises DuplicateName, InvalidNetwork and InvalidType.
    """
    allowed, allowed_types = parse_networks(networks), parse_types(types)
    secret = new_secret(PREFIX)

    def work(session: Session) -> None:
        at = now()
        token = ApiToken(
            name=name,
            digest=sha256_hex(secret),
            scopes=list(scopes),
            created_at=at,
            expires_at=expires_in and at + expires_in,
            **_guard_columns(guard or Guard()),
            networks=allowed,
            types=allowed_types,
            strict=strict,
        )
        session.add(token)
        record_event(session, "token_created", name, after={"scopes": list(scopes), **_limits(token)})
        record_event(session, "secret_shown", name)

    try:
        run_in_transaction(work)
    except IntegrityError:
        raise DuplicateName(f"A token named {name} exists already. Names cannot be reused.") from None
    return secret


def list_tokens() -> list[ApiToken]:
    return list(db.session.scalars(select(ApiToken).order_by(ApiToken.name)))


def get_token(token_id: int) -> ApiToken:
    """Return the token with this id. Raises NotFound."""
    token = db.session.get(ApiToken, token_id)
    if token is None:
        raise NotFound("Token not found.")
    return token


def get_token_by_name(name: str) -> ApiToken:
    """Return the token with this name. Raises NotFound."""
    token = db.session.scalar(select(ApiToken).where(ApiToken.name == name))
    if token is None:
        raise NotFound(f"No token is named {name}.")
    return token


def update_token(  # noqa: PLR0913 - one parameter per limit
    token_id: int,
    guard: Guard,
    networks: Iterable[str],
    types: Iterable[str],
    expires_at: datetime | None,
    *,
    strict: bool = False,
) -> None:
    """Set the limits of a token, from its next request on.

    Raises NotFound, TokenRevoked, InvalidNetwork and InvalidType.
    """
    allowed, allowed_types = parse_networks(networks), parse_types(types)

    def work(session: Session) -> None:
        token = _for_update(session, token_id)
        before = _limits(token)
        for name, value in _guard_columns(guard).items():
            setattr(token, name, value)
        token.networks, token.types, token.strict = allowed, allowed_types, strict
        token.expires_at = expires_at
        record_event(session, "token_changed", token.name, before=before, after=_limits(token))

    run_in_transaction(work)


def rotate_token(token_id: int, overlap: timedelta) -> str:
    """Return a new secret for the token; it cannot be read again. The current secret stays valid for `overlap`.

    The secret before the current one becomes invalid at once. Raises NotFound and TokenRevoked.
    """
    secret = new_secret(PREFIX)

    def work(session: Session) -> None:
        token = _for_update(session, token_id)
        token.previous_digest = token.digest if overlap else None
        token.previous_until = now() + overlap if overlap else None
        token.digest = sha256_hex(secret)
        until = token.previous_until and token.previous_until.isoformat()
        record_event(session, "token_rotated", token.name, after={"old_secret_expires": until})
        record_event(session, "secret_shown", token.name)

    run_in_transaction(work)
    return secret


def _limits(token: ApiToken) -> dict[str, Any]:
    """Return what the audit log records of a token's limits."""
    return {
        "expires": token.expires_at and token.expires_at.isoformat(),
        **{name: getattr(token, name) for name in _guard_columns(Guard())},
        "networks": token.networks,
        "types": token.types,
        "strict": token.strict,
    }


def _guard_columns(guard: Guard) -> dict[str, Any]:
    return {f"guard_{name}": getattr(guard, name) for name in GUARD_FIELDS}


def _for_update(session: Session, token_id: int) -> ApiToken:
    token = session.get(ApiToken, token_id)
    if token is None:
        raise NotFound("Token not found.")
    if token.revoked_at:
        raise TokenRevoked(f"Token {token.name} is revoked. Nothing was changed.")
    return token


def revoke_token_in(session: Session, name: str, cancelled_jobs: int = 0) -> None:
    """Revoke a token, from its next request on, as part of a transaction. Raises NotFound."""
    token = session.scalar(select(ApiToken).where(ApiToken.name == name))
    if token is None:
        raise NotFound(f"No token is named {name}.")
    if token.revoked_at is None:
        token.revoked_at = now()
        record_event(session, "token_revoked", name, after={"jobs": cancelled_jobs} if cancelled_jobs else None)


class _TokenRow(TokenRules, SimpleNamespace):
    """A token as each request reads it: an object of the ORM with as many columns takes 20 µs, this one none."""


_DIGEST: ColumnElement[str] = bindparam("digest")
_BY_DIGEST = select(ApiToken.__table__).where(or_(ApiToken.digest == _DIGEST, ApiToken.previous_digest == _DIGEST))


def authenticate_token(secret: str) -> ApiClient | None:
    """Return the client with this secret, or None if it is unknown, expired or revoked."""
    digest = sha256_hex(secret)
    rows = fetch_autocommit(_BY_DIGEST, {"digest": digest})
    token = _TokenRow(**rows[0]._mapping) if rows else None
    if token is None or not token.matches(digest) or token.state != "active":
        return None
    return ApiClient(
        token.id,
        token.name,
        frozenset(token.scopes),
        token.last_used_at,
        token.guard,
        tuple(token.networks),
        frozenset(token.types),
        token.strict,
        used_previous_secret=token.digest != digest,
    )


def touch_last_used(client: ApiClient) -> None:
    """Record the time of use, at most once a minute: a write per request would be too many."""
    outdated = now() - LAST_USED_RESOLUTION
    if client.last_used_at and client.last_used_at > outdated:
        return
    not_updated = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= outdated)
    touch = update(ApiToken).where(ApiToken.id == client.id, not_updated).values(last_used_at=now())

    def work(session: Session) -> None:
        session.execute(touch)

    with suppress(Unavailable):  # the database is busy: the next request records it
        run_in_transaction(work, wait=False)
