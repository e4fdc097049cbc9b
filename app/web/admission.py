"""Check the headers of a request before its body is read: authentication, and the size that the route accepts.

The server calls the application twice for a body above 64 KiB: first with the headers only. It refuses an
unauthenticated request there, and never stores its body.
"""

from flask import Flask, Response, current_app, g, request, session
from flask_wtf import CSRFProtect
from werkzeug.exceptions import RequestEntityTooLarge

from app.web.long_polling import WaitForChange, suspend
from app.web.server_environ import BODY_LIMIT, HEADERS_ONLY

MAX_ANONYMOUS_BYTES = 64 * 1024
"""The largest body of a request without a token or session, such as the sign-in form."""
MAX_FORMER_BYTES = 500_000
"""The same, where the signed cookie shows that its browser had a session: edits are kept (`app.pages.kept_forms`)."""


class HeadersFirstFlask(Flask):
    """Flask that can answer a request, or admit it, by its headers."""

    def full_dispatch_request(self) -> Response:
        admission = request.environ.get(HEADERS_ONLY)
        if admission is None:
            try:
                return super().full_dispatch_request()
            except WaitForChange as wait:
                suspend(wait)
                return self.make_response("")
        try:
            response = self.preprocess_request()
            if response is None:
                if request.routing_exception is not None:
                    raise request.routing_exception
                admission[BODY_LIMIT] = _check_size()
                return self.make_response("")
        except Exception as error:  # Flask handles all exceptions here, too
            response = self.handle_user_exception(error)
        return self.finalize_request(response)


def _check_size() -> int:
    """Return the maximum size of the body. Raises RequestEntityTooLarge."""
    limit = request.max_content_length or current_app.config["MAX_BODY_BYTES"]
    if "client" not in g and g.get("current_session") is None:
        limit = min(limit, MAX_FORMER_BYTES if "operator" in session else MAX_ANONYMOUS_BYTES)
    if (request.content_length or 0) > limit:
        request.max_content_length = limit  # the error page names it
        raise RequestEntityTooLarge(f"The body is larger than {limit} bytes. Nothing was changed.")
    return limit


def protect_forms(app: Flask, blueprint: str) -> None:
    """Check the CSRF token of each form of a blueprint, after the session was checked: to find it, the body is read."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf = CSRFProtect(app)

    def check() -> None:
        if HEADERS_ONLY not in request.environ:
            csrf.protect()

    app.before_request_funcs[blueprint].append(check)
