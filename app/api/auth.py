"""The token of each request, and the scope that each route requires. A route without a scope cannot be called."""

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
    """The token is valid, but does not allow the request."""


def require_scope(scope: str) -> Callable[[View], View]:
    """Open a view to tokens with this scope."""

    def mark(view: View) -> View:
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Open a view to requests without a token."""
    view.scope = None  # type: ignore[attr-defined]
    return view


def authenticate() -> None:
    """Set `g.client` to the request's client and check its scope. Raises Unauthenticated, Forbidden and RateLimited."""
    scope: str | None = vars(current_app.view_functions[str(request.endpoint)])["scope"]
    if scope is None:
        return
    header = request.authorization
    client = authenticate_token(header.token) if header and header.type == "bearer" and header.token else None
    if client is None:
        raise Unauthenticated()
    g.client = client
    structlog.contextvars.bind_contextvars(token=client.name)
    if client.networks and not is_allowed(request.remote_addr, client.networks):
        # Before the rate limit: a stolen token must not use up the rate of its owner.
        raise Forbidden("The token may not be used from this address.")
    rate_limit.count(client)
    if scope not in client.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
    touch_last_used(client)


def current_client() -> ApiClient:
    return g.client  # type: ignore[no-any-return]
