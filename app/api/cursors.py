"""Cursors: where a list goes on, as one opaque text."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
from flask import request

from app.core.customers import storable
from app.schemas import Invalid


def written(*place: int | str) -> str:
    return urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def read(name: str, *types: type) -> Any:
    """The place in the cursor `?name=…`, of these types; None if there is none. Raises Invalid for any other text."""
    cursor = request.args.get(name)
    if not cursor:
        return None
    try:
        place = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        genuine = [type(part) for part in place] == list(types) and written(*place) == cursor
        genuine = genuine and all(storable(part) if isinstance(part, str) else 0 <= part < 2**62 for part in place)
    except (ValueError, TypeError):
        genuine = False
    if not genuine:
        raise Invalid(iter([(name, "Not a cursor that was given out here.")]), "the query")
    return place
