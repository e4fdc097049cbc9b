"""Responses of the server itself, in the shape of the API's errors: the request never reached the application."""

import json
from typing import NamedTuple


class Refusal(NamedTuple):
    status: int
    reason: str
    code: str
    message: str
    retry_after_s: int | None = None


BAD_REQUEST = Refusal(400, "Bad Request", "BAD_REQUEST", "This is not a valid HTTP request.")
NOT_FOUND = Refusal(404, "Not Found", "NOT_FOUND", "There is nothing at this URL.")
TIMEOUT = Refusal(408, "Request Timeout", "BAD_REQUEST", "The body arrived too slowly. Nothing was changed.")
URI_TOO_LONG = Refusal(414, "URI Too Long", "TOO_LARGE", "The URL is too long.")
EXPECTATION_FAILED = Refusal(417, "Expectation Failed", "BAD_REQUEST", "The only supported Expect is 100-continue.")
HEADERS_TOO_LARGE = Refusal(431, "Request Header Fields Too Large", "TOO_LARGE", "The headers are too large.")
INTERNAL = Refusal(500, "Internal Server Error", "INTERNAL", "Something went wrong on our side. Request id: {id}")
NOT_IMPLEMENTED = Refusal(501, "Not Implemented", "BAD_REQUEST", "The only supported Transfer-Encoding is chunked.")
BUSY = Refusal(
    503, "Service Unavailable", "UNAVAILABLE", "Too many large requests at the same time. Nothing was changed.", 5
)
NO_SPACE = Refusal(503, "Service Unavailable", "UNAVAILABLE", "The disk for uploads is full. Nothing was changed.", 60)

_BY_EXCEPTION = {
    "LimitRequestLine": URI_TOO_LONG,
    "LimitRequestHeaders": HEADERS_TOO_LARGE,
    "ExpectationFailed": EXPECTATION_FAILED,
    "UnsupportedTransferCoding": NOT_IMPLEMENTED,
    "BodyTimeout": TIMEOUT,
}


def refusal_of(error: BaseException) -> Refusal:
    """Return the refusal for an exception of gunicorn's parser."""
    return _BY_EXCEPTION.get(type(error).__name__, BAD_REQUEST)


def _serialize(
    refusal: Refusal, request_id: str, for_browser: bool = False
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return status line, headers and body."""
    message = refusal.message.format(id=request_id)
    if for_browser:
        text = f"<!DOCTYPE html><title>{refusal.reason}</title><h1>{refusal.reason}</h1><p>{message}"
        content_type = "text/html; charset=utf-8"
    else:
        text = json.dumps({"error": {"code": refusal.code, "message": message, "details": []}})
        content_type = "application/json"
    body = text.encode()
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("X-Request-Id", request_id),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ]
    if refusal.retry_after_s is not None:
        headers.append(("Retry-After", str(refusal.retry_after_s)))
    return f"{refusal.status} {refusal.reason}", headers, body


def as_bytes(refusal: Refusal, request_id: str, for_browser: bool = False) -> bytes:
    """Return the whole response, which closes the connection: the error object of the API, or a page."""
    status, headers, body = _serialize(refusal, request_id, for_browser)
    lines = [f"HTTP/1.1 {status}", "Connection: close", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body
