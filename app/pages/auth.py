"""Who is at work, and may they? Every page is closed until it names the role that opens it."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import structlog
from flask import current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from app.access.authentication import AuthenticatedSession, authenticate_session
from app.access.operators import Operator
from app.core.errors import DomainError
from app.core.models.change_sets import Actor

PUBLIC = "anybody"
SESSION_KEY = "sign_in"

View = TypeVar("View", bound=Callable[..., Any])


class NotAllowed(DomainError):
    """The operator's role does not allow this."""


def require_role(role: str) -> Callable[[View], View]:
    """Open a view to operators of this role, or a higher one; to `PUBLIC` without a sign-in."""

    def mark(view: View) -> View:
        view.role = role  # type: ignore[attr-defined]
        return view

    return mark


def load_session() -> None:
    """See who is at work, nobody perhaps: from here on in `g.signed_in`."""
    g.signed_in = authenticate_session(session[SESSION_KEY]) if SESSION_KEY in session else None


def authenticate() -> Response | None:
    """Let the request in, with who is at work in `g.signed_in`; or lead to the sign-in. Raises NotAllowed."""
    load_session()
    role: str = vars(current_app.view_functions[str(request.endpoint)])["role"]
    if role == PUBLIC:
        return None
    if g.signed_in is None:
        session.pop(SESSION_KEY, None)
        back = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("pages.sign_in", next=back if back != "/" else None))
    structlog.contextvars.bind_contextvars(operator=g.signed_in.operator.id)
    if not g.signed_in.operator.may(role):
        raise NotAllowed(f"This needs the role {role}; yours is {g.signed_in.operator.role}. Nothing was changed.")
    return None


def current_session() -> AuthenticatedSession:
    return cast(AuthenticatedSession, g.signed_in)


def current_operator() -> Operator:
    return current_session().operator


def current_actor() -> Actor:
    return current_operator().actor()


def safe_next(url: str | None) -> str:
    """Where to go after signing in: a page of ours, never another site."""
    url = url or "/"
    parts = urlsplit(url)
    elsewhere = parts.scheme or parts.netloc or not url.startswith("/") or url.startswith(("//", "/\\"))
    return url_for("pages.overview") if elsewhere or not url.isprintable() else url
