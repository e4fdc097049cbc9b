"""What several answers of the API have in common."""

from datetime import datetime

from flask import Response


def id_text(number: int | None) -> str | None:
    """Ids are text in JSON: opaque, and safe from readers that know only floating-point numbers."""
    return None if number is None else str(number)


def time_text(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.isoformat().replace("+00:00", "Z")


def with_change_set(response: Response, change_set_id: int | None) -> Response:
    """Name the change set that was made, if one was: contract §2."""
    if change_set_id is not None:
        response.headers["Change-Set"] = str(change_set_id)
    return response
