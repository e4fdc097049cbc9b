"""The moments at which a job is applied and its change set is reverted, as API clients give them (contract §8)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from flask import current_app

from app.api.parameters import Timestamp
from app.core.errors import InputError, InvalidInput
from app.serialization.request_schemas import RequestSchema


class _JsonTimestamp(Timestamp):
    """An RFC 3339 time in a body."""

    def __init__(self, description: str, *, allow_none: bool = False) -> None:
        super().__init__(description)
        self.allow_none = allow_none

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        return super()._deserialize(value if isinstance(value, str) else "", *args, **kwargs)


class ScheduleSchema(RequestSchema):
    """The moments of a job; one that is missing stays as it is."""

    apply_at = _JsonTimestamp("When it is applied.")
    revert_at = _JsonTimestamp("When its change set is reverted; null for never.", allow_none=True)


def history_retention() -> timedelta | None:
    """Return for how long the history is kept; None if it is not limited."""
    days = current_app.config["HISTORY_RETENTION_DAYS"]
    return timedelta(days=days) if days else None


def refuse(errors: Iterable[InputError], source: str) -> None:
    """Raise InvalidInput if there are any errors."""
    found = list(errors)
    if found:
        raise InvalidInput(found, source)
