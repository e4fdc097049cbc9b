"""What passes between browsers and the pages: a cookie that scripts cannot read, and forms of a bearable size."""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface

MAX_FORM_BYTES = 4 * 1024 * 1024
"""An editor with tens of thousands of segments; the API's bodies have a limit of their own."""

MAX_FILE_BYTES = 1024 * 1024 * 1024
"""A file to be imported; larger ones are for the command line."""


class SecureCookieInterface(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:
        """Over TLS only, once there is TLS."""
        return request.is_secure


def init_app(app: Flask) -> None:
    app.session_interface = SecureCookieInterface()
    app.config.update(
        SESSION_COOKIE_NAME="customer-segments",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a form may lie open for as long as its session lasts
    )
    app.before_request(_limit_forms)


def _limit_forms() -> None:
    if not request.path.startswith("/api/"):
        request.max_content_length = MAX_FILE_BYTES if request.path == "/imports" else MAX_FORM_BYTES
