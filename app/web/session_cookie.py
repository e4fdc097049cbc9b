"""The session cookie of the pages, and the size limits of their forms."""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface

from app.core.limits import MAX_FORM_BYTES, MAX_UPLOAD_BYTES


class SecureCookieInterface(SecureCookieSessionInterface):
    def get_cookie_name(self, app: Flask) -> str:
        """Return a name that browsers accept over HTTPS and for this host only, if the request came over HTTPS."""
        name = super().get_cookie_name(app)
        return f"__Host-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:
        """Restrict the cookie to HTTPS if the request came over HTTPS."""
        return request.is_secure


def init_app(app: Flask) -> None:
    app.session_interface = SecureCookieInterface()
    app.config.update(
        SESSION_COOKIE_NAME="customer-segments",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a form stays valid as long as its session
        WTF_CSRF_SECRET_KEY=[*(app.config["SECRET_KEY_FALLBACKS"] or ()), app.config["SECRET_KEY"]],  # the last signs
    )
    app.before_request(_limit_forms)


def _limit_forms() -> None:
    if not request.path.startswith("/api/"):
        request.max_content_length = MAX_UPLOAD_BYTES if request.path == "/imports" else MAX_FORM_BYTES
