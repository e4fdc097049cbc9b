"""Cursors: where a list goes on, as one opaque text, signed so that nobody makes one up."""

from typing import Any

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

from app.core.models.customers import is_storable


class InvalidCursor(ValueError):
    """Not a cursor that was given out here."""


def _serializer() -> URLSafeSerializer:
    """A cursor is good for the list that it was given out with, and no other."""
    return URLSafeSerializer(str(current_app.secret_key), salt=f"cursor {request.endpoint}")


def encode_cursor(*place: int | str) -> str:
    return _serializer().dumps(place)


def decode_cursor(cursor: str, *types: type) -> Any:
    """The place in a cursor, of these types. Raises InvalidCursor for any other text."""
    try:
        place = _serializer().loads(cursor)
        genuine = [type(part) for part in place] == list(types)
        genuine = genuine and all(is_storable(part) for part in place if isinstance(part, str))
    except (BadSignature, ValueError, TypeError):
        genuine = False
    if not genuine:
        raise InvalidCursor("Not a cursor that was given out here.")
    return place
