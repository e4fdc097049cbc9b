"""Who is calling, and may they? Every route of the API is closed until it names the scope that opens it."""

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import current_app, g, request

from app.access.api_tokens import ApiClient, authenticate_token, touch_last_used
from app.access.ip_allowlist import is_allowed
from app.api import rate_limit
from app.core.errors import DomainError

View = TypeVar("View", bound=Callable[..., Any])


class Unauthenticated(DomainError):
    def __init__(self) -> None:
        super().__init__("A valid token is needed: Authorization: Bearer <token>.")


class Forbidden(DomainError):
    """The token is a valid one, but not for this."""


def require_scope(scope: str) -> Callable[[View], View]:
    """Open a view to tokens with this scope."""

    def mark(view: View) -> View:
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Open a view to everybody, without a token."""
    view.scope = None  # type: ignore[attr-defined]
    return view


def authenticate() -> None:
    """Let the request in, with its caller in `g.caller`. Raises Unauthenticated and Forbidden."""
    scope: str | None = vars(current_app.view_functions[str(request.endpoint)])["scope"]
    if scope is None:
        return
    header = request.authorization
    who = authenticate_token(header.token) if header and header.type == "bearer" and header.token else None
    if who is None:
        raise Unauthenticated()
    g.caller = who
    structlog.contextvars.bind_contextvars(token=who.name)
    if who.networks and not is_allowed(request.remote_addr, who.networks):
        # Before it counts: whoever found the token must not use up its rate.
        raise Forbidden("The token may not be used from this address.")
    rate_limit.count(who)
    if scope not in who.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
    touch_last_used(who)


def current_client() -> ApiClient:
    return g.caller  # type: ignore[no-any-return]
