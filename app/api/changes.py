"""The record of changes: the feed, one change set, and undoing it."""

from typing import Any

from flask import Response, jsonify

from app.access.token_request_log import Counts
from app.api import blueprint, cursors, token_requests
from app.api.auth import needs, the_caller
from app.api.headers import with_change_set
from app.api.parameters import flag, limit
from app.core.changes.revert import revert
from app.core.history.feed import START, Change, Place, read_feed
from app.core.models.change_sets import find_change_set
from app.serialization.change_set_json import change_set_json, id_text, time_text
from app.web.cursors import cursor_text


@blueprint.get("/v3/changes")
@needs("changes:read")
def changes() -> Response:
    """The change feed, oldest first; `next` is where to go on, also after the newest change: contract §3."""
    after = cursors.read("after", int, str)
    found, place = read_feed(Place(*after) if after else START, most=limit())
    following = cursor_text(place.position, place.document_id)
    return jsonify(changes=[_change(change) for change in found], next=following)


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


@blueprint.get("/v3/change-sets/<number:change_set_id>")
@needs("changes:read")
def change_set(change_set_id: int) -> Response:
    """One change set, with its totals."""
    return jsonify(change_set_json(find_change_set(change_set_id)))


@blueprint.post("/v3/change-sets/<number:change_set_id>/revert")
@needs("segments:write")
def undo(change_set_id: int) -> Response:
    """Put back every customer who still holds what the change set gave her: contract §3."""
    reverted = revert(change_set_id, the_caller().actor(), dry_run=flag("dry_run"))
    token_requests.count(Counts(changed=reverted.customers, unchanged=reverted.unchanged), dry_run=flag("dry_run"))
    answer = jsonify(
        changed=reverted.customers,
        unchanged=reverted.unchanged,
        conflicts=reverted.conflicts,
        changeSet=id_text(reverted.change_set_id),
    )
    return with_change_set(answer, reverted.change_set_id)
