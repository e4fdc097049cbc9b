"""Cursors in a query string."""

from typing import Any

from flask import request

from app.core.errors import InvalidInput
from app.web.cursors import InvalidCursor, decode_cursor


def read(name: str, *types: type) -> Any:
    """The place in the cursor `?name=…`, of these types; None if there is none. Raises Invalid for any other text."""
    cursor = request.args.get(name)
    try:
        return decode_cursor(cursor, *types) if cursor else None
    except InvalidCursor as problem:
        raise InvalidInput(iter([(name, str(problem))]), "the query") from None
