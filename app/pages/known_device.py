"""The cookie of a browser that has signed in before.

Failed sign-ins from elsewhere do not delay it (`app.access.sign_in_throttle`). It grants nothing else.
"""

from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from flask import request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from app.access.email_addresses import normalize_email
from app.web.secret_keys import secret_keys

COOKIE = "device"
MAX_EMAILS = 5
"""Operators of a shared browser; more are forgotten, the earliest first."""

MAX_AGE_S = 365 * 24 * 3600


def device_of(email: str) -> str | None:
    """Return the id of this browser if the operator with this e-mail has signed in with it."""
    cookie = _read()
    return cookie["id"] if _digest(email) in cookie["emails"] else None


def remember_device(response: Response, email: str) -> None:
    """Mark the browser as a known device of the operator with this e-mail."""
    cookie = _read()
    emails = [digest for digest in cookie["emails"] if digest != _digest(email)]
    value = _serializer().dumps({"id": cookie["id"], "emails": [*emails, _digest(email)][-MAX_EMAILS:]})
    response.set_cookie(_name(), value, max_age=MAX_AGE_S, httponly=True, samesite="Lax", secure=request.is_secure)


def _read() -> dict[str, Any]:
    try:
        cookie: dict[str, Any] = _serializer().loads(request.cookies.get(_name(), ""))
    except BadSignature:
        return {"id": token_urlsafe(12), "emails": []}
    return cookie


def _name() -> str:
    """Return the name of the cookie; over HTTPS one that browsers accept for this host only."""
    return f"__Host-{COOKIE}" if request.is_secure else COOKIE


def _digest(email: str) -> str:
    return sha256(normalize_email(email).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(list(reversed(secret_keys())), salt="known-device")  # the last key signs
