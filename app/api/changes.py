"""The record of changes: the feed, one change set, and undoing it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
from flask import Response, jsonify, request

from app.api import blueprint
from app.api.answers import id_text, time_text, with_change_set
from app.api.auth import needs, the_caller
from app.api.parameters import flag, limit
from app.core.changes import find_change_set
from app.core.customers import storable
from app.core.feed import START, Change, Place, read_feed
from app.core.undo import revert
from app.schemas import Invalid

MOST_CHANGES = 1000


@blueprint.get("/v3/changes")
@needs("changes:read")
def changes() -> Response:
    """The change feed, oldest first; `next` is where to go on, also after the newest change: contract §3."""
    found, place = read_feed(_place(request.args.get("after")), most=limit(MOST_CHANGES))
    return jsonify(changes=[_change(change) for change in found], next=_cursor(place))


def _change(change: Change) -> dict[str, Any]:
    return {
        "id": f"{change.id}:{change.document_id}",
        "at": time_text(change.at),
        "actor": change.actor,
        "source": change.source,
        "changeSet": id_text(change.id),
        "document_id": change.document_id,
        "before": change.before,
        "after": change.after,
    }


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(orjson.dumps([place.position, place.document_id])).decode().rstrip("=")


def _place(cursor: str | None) -> Place:
    if not cursor:
        return START
    try:
        position, document_id = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = Place(position, document_id)
        genuine = type(position) is int and 0 <= position < 2**62 and storable(document_id) and _cursor(place) == cursor
    except (ValueError, TypeError):
        genuine = False
    if not genuine:
        raise Invalid(iter([("after", "Not a cursor that this feed gave out.")]), "the query")
    return place


@blueprint.get("/v3/change-sets/<change_set:change_set_id>")
@needs("changes:read")
def change_set(change_set_id: int) -> Response:
    """One change set, with its totals."""
    found = find_change_set(change_set_id)
    return jsonify(
        id=id_text(found.id),
        at=time_text(found.at),
        actor=found.actor,
        source=found.source,
        note=found.note,
        reverts=id_text(found.reverts),
        changed=found.changed,
        unchanged=found.unchanged,
    )


@blueprint.post("/v3/change-sets/<change_set:change_set_id>/revert")
@needs("segments:write")
def undo(change_set_id: int) -> Response:
    """Put back every customer who still holds what the change set gave her: contract §3."""
    reverted = revert(change_set_id, the_caller().actor(), dry_run=flag("dry_run"))
    answer = jsonify(
        changed=reverted.changed,
        unchanged=reverted.unchanged,
        conflicts=reverted.conflicts,
        changeSet=id_text(reverted.change_set_id),
    )
    return with_change_set(answer, reverted.change_set_id)
