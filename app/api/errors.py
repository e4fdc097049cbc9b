"""Every refusal of the API in its one shape (contract §1)."""

from typing import Any

import structlog
from flask import Response, g, jsonify
from werkzeug.exceptions import HTTPException

from app.access.refusal_counts import NO_TOKEN, refusal_counter
from app.api import token_requests
from app.api.request_body import MalformedJson
from app.core.errors import (
    DomainError,
    Forbidden,
    InternalError,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    error_of_status,
)

TOKEN_ERRORS = (Unauthenticated, Forbidden, RateLimited, InternalError, Unavailable)
"""Errors of every operation that needs a token."""

BODY_ERRORS = (MalformedJson, InvalidInput, TooLarge, UnsupportedMediaType)
"""Errors of every operation that reads a JSON body."""


def handle_domain_error(error: DomainError) -> Response:
    """Return the answer to a request that the domain refuses."""
    return _error_response(error, str(error))


def handle_http_exception(error: HTTPException) -> Response:
    """Return the answer to a request that the framework refuses."""
    kind = error_of_status(error.code or 500)
    message = kind.explanation if kind in (NotFound, MethodNotAllowed) else error.description or error.name
    response = _error_response(kind(), message, error.code)
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")
    )
    return response


def internal_error(request_id: str) -> Response:
    """Return the answer to a request at which the service failed; it names the request id and nothing else."""
    return _error_response(InternalError(), f"Something went wrong on our side. Request id: {request_id}")


def _error_response(error: DomainError, message: str, status: int | None = None) -> Response:
    structlog.contextvars.bind_contextvars(error=error.code)
    token_requests.note_error(error.code, [path for path, _ in error.details])
    if error.counted:
        refusal_counter.add(g.client.name if "client" in g else NO_TOKEN, error.code)
    details = [{"path": path, "message": text} for path, text in error.details]
    envelope: dict[str, Any] = {"code": error.code, "message": message, "details": details}
    response = jsonify({"error": envelope, **error.extra})
    response.status_code = status or error.status
    response.headers.extend(error.headers)
    return response
