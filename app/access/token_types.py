"""Segment types that a token is limited to (contract §8)."""

from collections.abc import Iterable

from app.core.errors import BadRequest
from app.core.limits import MAX_TOKEN_TYPES
from app.core.models.customers import is_storable


class InvalidType(BadRequest):
    code = "INVALID_TYPE"
    explanation = "The text is not a segment type that a token can be limited to, or there are too many types."


def parse_types(types: Iterable[str]) -> list[str]:
    """Return the types, each once. Raises InvalidType: a type left out would widen what the token may do."""
    distinct = list(dict.fromkeys(types))
    if len(distinct) > MAX_TOKEN_TYPES:
        raise InvalidType(f"{len(distinct)} segment types: at most {MAX_TOKEN_TYPES} are allowed.")
    for type_ in distinct:
        if type_.strip().splitlines() != [type_] or not is_storable(type_):
            raise InvalidType("A segment type is one line of text, without spaces around it.")
    return distinct
