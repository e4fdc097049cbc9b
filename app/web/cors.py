"""CORS for the API: pages of the origins in CORS_ORIGINS may call it from a browser, with a token.

Cookies are never allowed: the API does not use them.
"""

from flask import Flask, Response, current_app, request

ALLOWED_HEADERS = ", ".join(
    (
        "Authorization",
        "Content-Type",
        "Content-Encoding",
        "Change-Reason",
        "Guard",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Prefer",
    )
)
EXPOSED_HEADERS = (
    "Change-Cursor, Change-Set, ETag, Guard-Warning, Idempotent-Replayed, Location, RateLimit-Limit,"
    " RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"
)
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
MAX_AGE_S = "600"


def init_app(app: Flask) -> None:
    if app.config["CORS_ORIGINS"]:
        app.before_request(_answer_preflight)
        app.after_request(_add_headers)


def _is_allowed() -> bool:
    origin = request.headers.get("Origin", "").lower()
    return request.path.startswith("/api/") and origin in current_app.config["CORS_ORIGINS"]


def _answer_preflight() -> Response | None:
    """Answer the question of a browser whether it may send a request. It comes without a token."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers or not _is_allowed():
        return None
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": MAX_AGE_S,
    }
    return Response(status=204, headers=headers)


def _add_headers(response: Response) -> Response:
    if request.path.startswith("/api/"):
        response.vary.add("Origin")
    if _is_allowed():
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return response
