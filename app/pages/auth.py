"""The session of each request, and the role that each page requires. A page without a role cannot be opened."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import structlog
from flask import current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from app.access.authentication import AuthenticatedSession, authenticate_session
from app.access.operators import Operator
from app.core.errors import Forbidden
from app.core.models.change_sets import Actor

PUBLIC = "public"
"""The role of a page that needs no sign-in."""

SESSION_KEY = "sign_in"

View = TypeVar("View", bound=Callable[..., Any])


class NotAllowed(Forbidden):
    code = "NOT_ALLOWED"
    explanation = "The role of the operator does not allow this."


def require_role(role: str) -> Callable[[View], View]:
    """Open a view to operators with this role or a higher one; to everyone for `PUBLIC`."""

    def mark(view: View) -> View:
        view.role = role  # type: ignore[attr-defined]
        return view

    return mark


def load_session() -> None:
    """Set `g.current_session` to the session of the request's cookie, or to None."""
    g.current_session = authenticate_session(session[SESSION_KEY]) if SESSION_KEY in session else None


def authenticate() -> Response | None:
    """Load the session and check its role; redirect to the sign-in without a session. Raises NotAllowed."""
    load_session()
    role: str = vars(current_app.view_functions[str(request.endpoint)])["role"]
    if role == PUBLIC:
        return None
    if g.current_session is None:
        session.pop(SESSION_KEY, None)
        next_url = request.script_root + request.full_path.rstrip("?") if request.method == "GET" else None
        home = url_for("pages.overview")
        return redirect(url_for("pages.sign_in", next=next_url if next_url != home else None))
    operator = current_operator()
    structlog.contextvars.bind_contextvars(operator=operator.id)
    if not operator.has_role(role):
        raise NotAllowed(f"Only {role}s can do this. Your role is {operator.role.capitalize()}. Nothing was changed.")
    return None


def current_session() -> AuthenticatedSession:
    return cast(AuthenticatedSession, g.current_session)


def current_operator() -> Operator:
    return current_session().operator


def current_actor() -> Actor:
    return current_operator().actor()


def safe_next(url: str | None) -> str:
    """Return the URL to open after a sign-in: `url` if it is a page of this service, else the overview."""
    url = url or url_for("pages.overview")
    parts = urlsplit(url)
    external = parts.scheme or parts.netloc or not url.startswith("/") or url.startswith(("//", "/\\"))
    return url_for("pages.overview") if external or not url.isprintable() else url
