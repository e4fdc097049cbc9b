"""Cursors: where a list goes on, as one opaque text."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson

from app.core.customers import storable


class InvalidCursor(ValueError):
    """Not a cursor that was given out here."""


def cursor_text(*place: int | str) -> str:
    return urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def read_cursor(cursor: str, *types: type) -> Any:
    """The place in a cursor, of these types. Raises InvalidCursor for any other text."""
    try:
        place = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        genuine = [type(part) for part in place] == list(types) and cursor_text(*place) == cursor
        genuine = genuine and all(storable(part) if isinstance(part, str) else 0 <= part < 2**62 for part in place)
    except (ValueError, TypeError):
        genuine = False
    if not genuine:
        raise InvalidCursor("Not a cursor that was given out here.")
    return place
