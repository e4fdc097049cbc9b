"""Every refusal of the pages as a page: what happened, what was not changed, and what to do."""

from flask import g, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app.access.operators import LastAdmin
from app.core.errors import DomainError, NoLongerRetained, NotFound, Unavailable
from app.pages.auth import NotAllowed, load_session
from app.pages.list_query import InvalidListQuery

STATUSES: tuple[tuple[type[DomainError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (InvalidListQuery, 400),
    (LastAdmin, 409),
    (NoLongerRetained, 410),
    (Unavailable, 503),
)

TITLES = {
    400: "This was not understood",
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "Somebody was faster",
    410: "No longer on record",
    413: "This is too large",
    429: "Too many tries",
    500: "Something went wrong on our side",
    503: "The database is away or busy",
}

ADVICE = {
    400: "Go back and try again, or start from the customers.",
    403: "Ask an admin if you need to do this.",
    404: "Check the address, or look for the customer.",
    409: "Look at how things are now, and try again.",
    413: "Send it in smaller parts, or use the command line.",
    429: "Wait a few minutes before the next try.",
    500: "Try again. If it happens again, tell whoever runs the service the request id below.",
    503: "Try again in a moment.",
}


def handle_domain_error(refusal: DomainError) -> tuple[str, int]:
    status = next((status for kind, status in STATUSES if isinstance(refusal, kind)), 409)
    return _page(status, str(refusal))


def handle_http_exception(error: HTTPException) -> tuple[str, int] | Response:
    if isinstance(error, CSRFError):
        return _page(400, "The form was too old, or did not come from here. Nothing was changed.")
    if "current_session" not in g:  # no page of ours was asked for, but it was asked for from one
        load_session()
    status = error.code or 500
    most = request.max_content_length or 0
    message = {
        404: "No page has this address.",
        405: "This page is not for that. Nothing was changed.",
        413: f"It has more than {most:,} bytes, the most that this page takes. Nothing was changed.",
    }
    return _page(status, message.get(status, error.description or error.name))


def internal_error() -> tuple[str, int]:
    return _page(500, "This was not your fault, and nothing was changed.")


def _page(status: int, message: str) -> tuple[str, int]:
    return render_template(
        "error.html",
        status=status,
        title=TITLES.get(status, "This did not work"),
        message=message,
        advice=ADVICE.get(status, ""),
    ), status
