"""The session cookie: signed, for our own pages, unseen by scripts, and over TLS only once there is TLS."""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface


class Cookies(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def init_app(app: Flask) -> None:
    app.session_interface = Cookies()
    app.config.update(
        SESSION_COOKIE_NAME="customer-segments",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A form may lie open for as long as its session lasts.
        WTF_CSRF_TIME_LIMIT=None,
        # A customer's editor may hold thousands of segments; Flask's own limits are meant for small forms.
        MAX_FORM_MEMORY_SIZE=4 * 1024 * 1024,
        MAX_FORM_PARTS=20_000,
    )
