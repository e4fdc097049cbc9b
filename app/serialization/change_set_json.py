"""How ids, times and change sets are written in JSON: in answers of the API and in webhooks."""

from datetime import datetime
from typing import Any

from app.core.models.change_sets import ChangeSet


def serialize_id(number: int | None) -> str | None:
    """Return an id as JSON text: opaque, and safe from readers whose numbers are all floating-point."""
    return None if number is None else str(number)


def format_rfc3339(at: datetime) -> str:
    """Return the time in RFC 3339, in UTC."""
    return at.isoformat().replace("+00:00", "Z")


def change_set_json(change_set: ChangeSet) -> dict[str, Any]:
    """Return one change set with its totals (contract §3)."""
    return {
        "id": serialize_id(change_set.id),
        "state": change_set.state,
        "at": format_rfc3339(change_set.at),
        "actor": change_set.actor,
        "source": change_set.source,
        "note": change_set.note,
        "reverts": serialize_id(change_set.reverts),
        "changed": change_set.changed,
        "unchanged": change_set.unchanged,
        "created": change_set.created,
        "updated": change_set.updated,
    }
