"""Who is calling, and may they? Every route of the API is closed until it names the scope that opens it."""

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import current_app, g, request

from app.access.api_tokens import Caller, caller, note_use
from app.access.ip_allowlist import within
from app.api import rate_limit
from app.core.errors import Refusal

View = TypeVar("View", bound=Callable[..., Any])


class Unauthenticated(Refusal):
    def __init__(self) -> None:
        super().__init__("A valid token is needed: Authorization: Bearer <token>.")


class Forbidden(Refusal):
    """The token is a valid one, but not for this."""


def needs(scope: str) -> Callable[[View], View]:
    """Open a view to tokens with this scope."""

    def mark(view: View) -> View:
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """Open a view to everybody, without a token."""
    view.scope = None  # type: ignore[attr-defined]
    return view


def admit() -> None:
    """Let the request in, with its caller in `g.caller`. Raises Unauthenticated and Forbidden."""
    scope: str | None = vars(current_app.view_functions[str(request.endpoint)])["scope"]
    if scope is None:
        return
    header = request.authorization
    who = caller(header.token) if header and header.type == "bearer" and header.token else None
    if who is None:
        raise Unauthenticated()
    g.caller = who
    structlog.contextvars.bind_contextvars(token=who.name)
    if who.networks and not within(request.remote_addr, who.networks):
        # Before it counts: whoever found the token must not use up its rate.
        raise Forbidden("The token may not be used from this address.")
    rate_limit.count(who)
    if scope not in who.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
    note_use(who)


def the_caller() -> Caller:
    return g.caller  # type: ignore[no-any-return]
