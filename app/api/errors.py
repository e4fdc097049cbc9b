"""Every refusal of the API in its one shape: contract §1."""

from typing import Any

import structlog
from flask import Response, g, jsonify
from flask.json import dumps
from werkzeug.exceptions import HTTPException

from app.access.idempotency import IdempotencyMismatch
from app.access.refusal_counts import NO_TOKEN, refusal_counter
from app.api import token_requests
from app.api.auth import Forbidden, Unauthenticated
from app.api.rate_limit import RateLimited
from app.api.request_body import MalformedJson, TooLarge, UnsupportedMediaType
from app.core.changes.replace_segments import ChangeTooLarge
from app.core.errors import AmbiguousEmail, CustomerNotFound, DomainError, NoLongerRetained, NotFound, Unavailable
from app.serialization.request_schemas import InvalidInput

STATUS_CODES: dict[type[DomainError], tuple[int, str]] = {
    MalformedJson: (400, "MALFORMED_JSON"),
    InvalidInput: (400, "VALIDATION_ERROR"),
    Unauthenticated: (401, "UNAUTHENTICATED"),
    Forbidden: (403, "FORBIDDEN"),
    CustomerNotFound: (404, "CUSTOMER_NOT_FOUND"),
    NotFound: (404, "NOT_FOUND"),
    AmbiguousEmail: (409, "AMBIGUOUS_EMAIL"),
    NoLongerRetained: (410, "NO_LONGER_KNOWN"),
    TooLarge: (413, "TOO_LARGE"),
    UnsupportedMediaType: (415, "UNSUPPORTED_MEDIA_TYPE"),
    IdempotencyMismatch: (422, "IDEMPOTENCY_MISMATCH"),
    RateLimited: (429, "RATE_LIMITED"),
    Unavailable: (503, "UNAVAILABLE"),
}

FRAMEWORK_ERRORS = {
    404: ("NOT_FOUND", "There is nothing at this URL."),
    405: ("METHOD_NOT_ALLOWED", "This URL does not answer to this method; the header Allow names those it does."),
}

UNCOUNTED = ("CUSTOMER_NOT_FOUND", "UNAVAILABLE")
"""Refusals that the overview does not tell of: an answer like any other, and one that could not be noted."""

HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}


def handle_domain_error(refusal: DomainError) -> Response:
    status, code = STATUS_CODES[type(refusal)]
    details = refusal.details if isinstance(refusal, InvalidInput) else []
    return error_response(status, code, str(refusal), [{"path": path, "message": text} for path, text in details])


def change_too_large(refusal: ChangeTooLarge, report: dict[str, Any]) -> Response:
    """With the report of what would have been: contract §2."""
    response = error_response(
        409, "CHANGE_TOO_LARGE", f"{refusal} Nothing was changed. To do it all the same: Guard: override."
    )
    response.set_data(dumps({**response.get_json(), "report": report}))
    return response


def handle_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    code, message = FRAMEWORK_ERRORS.get(status, ("BAD_REQUEST", error.description or error.name))
    response = error_response(status, code, message)
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")
    )
    return response


def internal_error(request_id: str) -> Response:
    return error_response(500, "INTERNAL", f"Something went wrong on our side. Request id: {request_id}")


def error_response(status: int, code: str, message: str, details: list[dict[str, str]] | None = None) -> Response:
    structlog.contextvars.bind_contextvars(error=code)
    token_requests.problem(code, [detail["path"] for detail in details or []])
    if code not in UNCOUNTED:
        refusal_counter.add(g.client.name if "client" in g else NO_TOKEN, code)
    error: dict[str, Any] = {"code": code, "message": message, "details": details or []}
    response = jsonify(error=error)
    response.status_code = status
    response.headers.extend(HEADERS.get(status, {}))
    return response
