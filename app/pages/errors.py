"""Errors as pages: what happened, what was not changed, and what to do next."""

from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app.core.errors import (
    BadRequest,
    DomainError,
    InternalError,
    MethodNotAllowed,
    NoLongerRetained,
    NotFound,
    TooLarge,
    error_of_status,
)
from app.pages.auth import load_session
from app.pages.domain_texts import translate_domain_text
from app.pages.kept_forms import rescue_form
from app.pages.list_query import InvalidRequest
from app.pages.template_filters import number

FORMS = {
    "pages.bulk_edit_new": "pages.customers",
    "pages.customer_export": "pages.customers",
    "pages.segment_days_export": "pages.segment_days",
    "pages.segment_movements_export": "pages.segment_movements",
}
"""By endpoint: the page whose form has its parameters, and shows what is wrong with them."""


def handle_domain_error(error: DomainError) -> tuple[str, int, dict[str, str]] | Response:
    """Return the page for a request that the domain refuses."""
    is_page = request.method == "GET" and "X-Fragment" not in request.headers
    if is_page and (url := _page_with_message(error)):
        return redirect(url)
    return _error_page(type(error), translate_domain_text(str(error)))


def _page_with_message(error: DomainError) -> str | None:
    """Return the URL of a page that reports invalid parameters, as a notice or in its form; None if there is none."""
    endpoint, arguments = str(request.endpoint), request.args.to_dict(flat=False)
    if isinstance(error, InvalidRequest) and arguments.pop(error.parameter or "", []):
        flash(str(error), "warning")
    elif endpoint not in FORMS or not isinstance(error, (InvalidRequest, NoLongerRetained)):
        return None
    return url_for(FORMS.get(endpoint, endpoint), **{**arguments, **(request.view_args or {})})


def handle_http_exception(error: HTTPException) -> tuple[str, int, dict[str, str]] | Response:
    """Return the page for a request that the framework refuses."""
    if isinstance(error, CSRFError):
        if page := rescue_form():
            return page
        return _error_page(BadRequest, _("Your session expired. Nothing was changed. Reload the page and try again."))
    if "current_session" not in g:  # the URL is not a page, but the link to it may stand on one
        load_session()
    kind = error_of_status(error.code or 500)
    message = {
        NotFound: _("This page doesn't exist."),
        MethodNotAllowed: _("This page doesn't support that. Nothing was changed."),
        TooLarge: _(
            "Maximum size is %(size)s bytes. Nothing was changed.", size=number(request.max_content_length or 0)
        ),
    }
    return _error_page(kind, message.get(kind, _("The request is invalid. Nothing was changed.")), error.code)


def internal_error() -> tuple[str, int, dict[str, str]]:
    """Return the page for a request at which the service failed."""
    return _error_page(InternalError, _("Nothing was changed."))


def _error_page(kind: type[DomainError], message: str, status: int | None = None) -> tuple[str, int, dict[str, str]]:
    status = status or kind.status
    page = render_template(
        "error.html", status=status, title=_(kind.title), message=message, advice=kind.advice and _(kind.advice)
    )
    return page, status, dict(kind.headers)
