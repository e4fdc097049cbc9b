"""Authentication of API requests: the token of each, and the scope that its operation declares."""

import structlog
from flask import current_app, g, request

from app.access.api_tokens import ApiClient, authenticate_token, touch_last_used
from app.access.audit_log import set_origin
from app.access.ip_allowlist import is_allowed
from app.api import rate_limit
from app.core.errors import Forbidden, Unauthenticated
from app.web.long_polling import has_waited
from app.web.server_environ import CLIENT, HEADERS_ONLY


def authenticate() -> None:
    """Check the token of the request, and keep its client in `g.client`.

    A request that has waited for a change is checked again, but not counted again: its token may have been revoked.
    Raises Unauthenticated, Forbidden and RateLimited.
    """
    scope: str | None = vars(current_app.view_functions[str(request.endpoint)])["scope"]
    if scope is None:
        return
    admitted: ApiClient | None = request.environ.get(CLIENT)
    if admitted and not has_waited():  # authenticated when only the headers were here
        g.client = admitted
        structlog.contextvars.bind_contextvars(token=g.client.name)
        return
    header = request.authorization
    client = authenticate_token(header.token) if header and header.type == "bearer" and header.token else None
    if client is None:
        raise Unauthenticated(Unauthenticated.example)
    g.client = client
    structlog.contextvars.bind_contextvars(token=client.name)
    set_origin(client.actor().name, "api", request.remote_addr)
    if client.networks and not is_allowed(request.remote_addr, client.networks):
        # Before the request is counted: a stolen token must not use up the rate of its owner.
        raise Forbidden("The token may not be used from this address.")
    if not admitted:
        rate_limit.count(client)
    if client.scopes.isdisjoint(scope.split(" or ")):
        raise Forbidden(f"The token lacks the scope {scope}.")
    touch_last_used(client)
    request.environ.get(HEADERS_ONLY, request.environ)[CLIENT] = client


def current_client() -> ApiClient:
    """Return the client of the request, which `authenticate` has let in."""
    return g.client  # type: ignore[no-any-return]
