"""Cursors: the position in a list as an opaque text, signed so that clients cannot construct one."""

from typing import Any

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

from app.core.models.customers import is_storable


class InvalidCursor(ValueError):
    """The text is not a cursor of this list."""


def _serializer(endpoint: str | None) -> URLSafeSerializer:
    """The signature covers the endpoint: a cursor is valid for the list that returned it, and for no other list."""
    keys = [*(current_app.config["SECRET_KEY_FALLBACKS"] or ()), str(current_app.secret_key)]  # the last one signs
    return URLSafeSerializer(keys, salt=f"cursor {endpoint or request.endpoint}")


def encode_cursor(*position: int | str, endpoint: str | None = None) -> str:
    """Return the cursor of a position in the list at the endpoint, by default that of the request."""
    return _serializer(endpoint).dumps(position)


def decode_cursor(cursor: str, *types: type, endpoint: str | None = None) -> Any:
    """Return the position in a cursor as values of `types`. Raises InvalidCursor for any other text."""
    try:
        position = _serializer(endpoint).loads(cursor)
        valid = [type(part) for part in position] == list(types)
        valid = valid and all(is_storable(part) for part in position if isinstance(part, str))
    except (BadSignature, ValueError, TypeError):
        valid = False
    if not valid:
        raise InvalidCursor("Not a cursor of this list.")
    return position
