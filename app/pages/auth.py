"""The session of each request, and the role that each page requires. A page without a role cannot be opened."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import structlog
from flask import current_app, g, redirect, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access.audit_log import set_origin
from app.access.authentication import authenticate_session
from app.access.operators import AuthenticatedSession, Operator
from app.access.sessions import renew_secret
from app.core.database import now
from app.core.errors import Forbidden, NotFound
from app.core.models.change_sets import Actor
from app.core.models.customers import is_storable
from app.pages.role_texts import ROLE_TEXTS
from app.pages.template_filters import role_label
from app.web.server_environ import HEADERS_ONLY

PUBLIC = "public"
"""The role of a page that needs no sign-in."""

SESSION_KEY = "sign_in"
OPERATOR_KEY = "operator"
"""Whose session the cookie is of, or was: it outlasts the session."""
CONFIRMED_KEY = "password_confirmed_at"
CONFIRMATION_LIFETIME = timedelta(minutes=10)

View = TypeVar("View", bound=Callable[..., Any])


class NotAllowed(Forbidden):
    code = "NOT_ALLOWED"
    explanation = "The role of the operator does not allow this."


def require_role(
    role: str, *, before_second_factor: bool = False, recent_password: bool = False, keeps_edits: bool = False
) -> Callable[[View], View]:
    """Open a view to operators with this role or a higher one; to everyone for `PUBLIC`.

    `before_second_factor` opens it also to those who still have to set up a required second factor;
    `recent_password` asks for the password again if it was entered more than 10 minutes ago. A form that `keeps_edits`
    is shown again after the next sign-in if its session has ended (`app.pages.kept_forms`).
    """

    def mark(view: View) -> View:
        view.role = role  # type: ignore[attr-defined]
        view.before_second_factor = before_second_factor  # type: ignore[attr-defined]
        view.recent_password = recent_password  # type: ignore[attr-defined]
        view.keeps_edits = keeps_edits  # type: ignore[attr-defined]
        return view

    return mark


def load_session() -> None:
    """Set `g.current_session` to the session of the request's cookie, or to None."""
    set_origin("anonymous", "page", request.remote_addr)
    g.current_session = authenticate_session(session[SESSION_KEY]) if SESSION_KEY in session else None
    if g.current_session is None:
        return
    set_origin(current_actor().name, "page", request.remote_addr)
    if HEADERS_ONLY in request.environ:  # answered by its headers alone, it sends no cookie
        return
    if current_session().renewal_due:
        session[SESSION_KEY] = renew_secret(current_session().session_id)
    if session.get(OPERATOR_KEY) != current_operator().id:
        session[OPERATOR_KEY] = current_operator().id


def authenticate() -> Response | None:
    """Check what the page requires of the session; redirect to where it can be met. Raises NotAllowed and NotFound."""
    view = vars(current_app.view_functions[str(request.endpoint)])
    role: str = view["role"]
    if role == PUBLIC:
        return None
    if g.current_session is None:
        if HEADERS_ONLY in request.environ and view["keeps_edits"] and OPERATOR_KEY in session:
            return None  # the form is kept as soon as its body is there
        session.pop(SESSION_KEY, None)
        return redirect(url_for("pages.sign_in", next=_this_page()))
    operator = current_operator()
    structlog.contextvars.bind_contextvars(operator=operator.id)
    if not operator.has_role(role):
        raise NotAllowed(
            _(
                "%(required)s Your role is %(role)s. Nothing was changed.",
                required=ROLE_TEXTS[role].required,
                role=role_label(operator.role),
            )
        )
    if not view["before_second_factor"] and lacks_second_factor():
        return redirect(url_for("pages.second_factor"))
    if view["recent_password"] and not password_is_recent():
        return redirect(url_for("pages.confirm_password", next=_this_page()))
    _check_path()
    return None


def _check_path() -> None:
    """Raise NotFound for a path with text that no database can hold, such as U+0000."""
    texts = (value for value in (request.view_args or {}).values() if isinstance(value, str))
    if not all(map(is_storable, texts)):
        raise NotFound(_("This page doesn't exist."))


def _this_page() -> str | None:
    """Return the URL to come back to, or None for the overview and for a form."""
    if request.method != "GET" or request.full_path == "/?":
        return None
    return request.script_root + request.full_path.rstrip("?")


def lacks_second_factor() -> bool:
    """Return whether the operator's role requires a second factor that this session has not proved."""
    required = current_app.config["SECOND_FACTOR_ROLES"] or ()
    return current_operator().role in required and current_session().method == "password"


def password_is_recent() -> bool:
    """Return whether the operator signed in, or confirmed the password, a few minutes ago."""
    limit = now() - CONFIRMATION_LIFETIME
    confirmed: datetime | None = session.get(CONFIRMED_KEY)
    return current_session().created_at > limit or (confirmed is not None and confirmed > limit)


def current_session() -> AuthenticatedSession:
    return cast(AuthenticatedSession, g.current_session)


def current_operator() -> Operator:
    return current_session().operator


def current_actor() -> Actor:
    return current_operator().actor()


def client_address() -> str:
    return request.remote_addr or "unknown"


def can(role: str) -> bool:
    """Return whether the current operator has this role or a higher one; False without a session."""
    return bool(g.get("current_session")) and current_operator().has_role(role)


def safe_next(url: str | None) -> str:
    """Return the URL to open after a sign-in: `url` if it is a page of this service, else the overview."""
    url = url or url_for("pages.overview")
    try:
        parts = urlsplit(url)
    except ValueError:  # such as //[
        return url_for("pages.overview")
    external = parts.scheme or parts.netloc or not url.startswith("/") or url.startswith(("//", "/\\"))
    return url_for("pages.overview") if external or not url.isprintable() else url
