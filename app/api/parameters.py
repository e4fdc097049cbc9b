"""What stands in a query string, understood or refused."""

from datetime import datetime
from typing import Any

from flask import request

from app.core.errors import InvalidInput
from app.core.limits import MAX_PAGE_SIZE
from app.core.models.customers import is_storable
from app.core.models.segments import SegmentPair
from app.serialization.request_schemas import parse_timestamp
from app.serialization.segment_notation import InvalidSegment, parse_segment


def boolean(name: str) -> bool:
    """`?name=true`; false when it is missing. Raises Invalid for anything that is neither."""
    value = request.args.get(name, "false").lower()
    if value not in ("true", "false"):
        raise InvalidInput(iter([(name, "Must be true or false.")]), "the query")
    return value == "true"


def limit(most: int = MAX_PAGE_SIZE) -> int:
    """`?limit=100`, up to `most`, which is also what a missing one means. Raises Invalid."""
    value = request.args.get("limit", str(most))
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and 0 < int(value) <= most):
        raise InvalidInput(iter([("limit", f"Must be a whole number from 1 to {most}.")]), "the query")
    return int(value)


def text(name: str) -> str | None:
    """`?name=…`, any text that a database can hold. Raises Invalid."""
    value = request.args.get(name)
    if value is not None and not is_storable(value):
        raise InvalidInput(iter([(name, "U+0000 and lone surrogates cannot be stored.")]), "the query")
    return value


def choice(name: str, *values: str) -> Any:
    """`?name=…`, one of these; None if it is missing. Raises Invalid."""
    value = request.args.get(name)
    if value not in (None, *values):
        raise InvalidInput(iter([(name, f"Must be {' or '.join(values)}.")]), "the query")
    return value


def choices(name: str, *values: str) -> tuple[Any, ...]:
    """Return the values of a repeatable parameter, each one of `values`, without repetition. Raises InvalidInput."""
    found = tuple(dict.fromkeys(request.args.getlist(name)))
    if not set(found) <= set(values):
        raise InvalidInput(iter([(name, f"Must be {', '.join(values[:-1])} or {values[-1]}.")]), "the query")
    return found


def segments(name: str) -> tuple[SegmentPair, ...]:
    """`?name=type:value`, any number of times. Raises Invalid."""
    try:
        found = tuple(parse_segment(value) for value in dict.fromkeys(request.args.getlist(name)))
    except InvalidSegment:
        raise InvalidInput(iter([(name, "Must be type:value, such as membership:GOLD.")]), "the query") from None
    if not all(is_storable(part) for segment in found for part in segment):
        raise InvalidInput(iter([(name, "U+0000 and lone surrogates cannot be stored.")]), "the query")
    return found


def timestamp(name: str) -> datetime | None:
    """`?name=2026-11-23T08:00:00Z`, an RFC 3339 time. Raises Invalid."""
    value = request.args.get(name)
    if value is None:
        return None
    try:
        return parse_timestamp(value[:11] + value[11:].replace(" ", "+"))  # what an unencoded + becomes
    except ValueError:
        raise InvalidInput(
            iter([(name, "Must be an RFC 3339 time such as 2026-11-23T08:00:00Z.")]), "the query"
        ) from None
