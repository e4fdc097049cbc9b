"""How many segments a customer may have, where MAX_SEGMENTS_PER_CUSTOMER is set; by default, any number (contract §8).

A change is refused, or leaves the customer alone, if the customer would have more segments than that and more than
before. An undo is not limited: it restores earlier segments.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_

from app.core import dialects
from app.core.errors import InvalidInput
from app.core.models.segments import Segments


def _no_limit() -> int | None:
    return None


_limit: Callable[[], int | None] = _no_limit


def use_segment_limit(limit: Callable[[], int | None]) -> None:
    """Set where the limit of the application at hand is found; None for no limit."""
    global _limit  # noqa: PLW0603 - the core cannot import the application that is made of it
    _limit = limit


def segment_limit() -> int | None:
    """Return how many segments a customer may have; None for any number."""
    return _limit()


def is_over_limit(before: Segments, after: Segments) -> bool:
    """Return whether a customer with the segments `before` may not have those `after`."""
    limit = segment_limit()
    return limit is not None and len(after) > max(limit, len(before))


def over_limit(before: ColumnElement[Any], after: ColumnElement[Any], limit: ColumnElement[int]) -> ColumnElement[bool]:
    """Return `is_over_limit` as a condition on two JSON arrays."""
    length = dialects.json_length(after)
    return and_(length > limit, length > dialects.json_length(before))


def limit_text(limit: int) -> str:
    """Return what is said of a list that is too long."""
    return f"A customer can have at most {limit:,} segments (MAX_SEGMENTS_PER_CUSTOMER)."


def refuse_over_limit(paths: Iterable[str]) -> None:
    """Raise InvalidInput if there are customers, at these paths of a request, who would have too many segments."""
    errors = [(path, limit_text(segment_limit() or 0)) for path in paths]
    if errors:
        raise InvalidInput(errors)
