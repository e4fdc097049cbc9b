"""Cursors of the change feed, which operations other than the feed return and accept, too."""

from typing import Any

from marshmallow import ValidationError

from app.api.parameters import Timestamp
from app.core.database import now
from app.core.history.feed import check_position
from app.core.limits import MAX_CLOCK_SKEW
from app.core.models.change_sets import FeedPosition
from app.web.cursors import InvalidCursor, decode_cursor, encode_cursor

FEED = "api.changes"
"""The endpoint of the feed."""


def encode_position(position: FeedPosition) -> str:
    """Return the cursor of a place in the change feed."""
    return encode_cursor(position.position, position.number, position.tag, endpoint=FEED)


class AsOfField(Timestamp):
    """A moment that is not in the future, or a cursor of the change feed whose place is known: contract §8."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            position = FeedPosition(*decode_cursor(value, int, int, int, endpoint=FEED))
        except InvalidCursor:
            return self._past(super()._deserialize(value, *args, **kwargs))
        check_position(position)
        return position

    def _past(self, moment: Any) -> Any:
        if moment > now() + MAX_CLOCK_SKEW:
            raise ValidationError("Must not be in the future.")
        return moment
