"""The record of changes: the feed, one change set, and undoing it."""

from typing import Any

from flask import Response, jsonify

from app.access.token_request_log import CustomerCounts
from app.api import blueprint, cursors, token_requests
from app.api.auth import current_client, require_scope
from app.api.headers import add_change_set
from app.api.parameters import boolean, limit
from app.core.changes.revert import revert
from app.core.history.feed import START, FeedEntry, FeedPosition, read_feed
from app.core.models.change_sets import get_change_set
from app.serialization.change_set_json import change_set_json, format_rfc3339, serialize_id
from app.web.cursors import encode_cursor


@blueprint.get("/v3/changes")
@require_scope("changes:read")
def changes() -> Response:
    """The change feed, oldest first; `next` is where to go on, also after the newest change: contract §3."""
    after = cursors.read("after", int, str)
    found, place = read_feed(FeedPosition(*after) if after else START, most=limit())
    following = encode_cursor(place.position, place.document_id)
    return jsonify(changes=[_change(change) for change in found], next=following)


def _change(change: FeedEntry) -> dict[str, Any]:
    return {
        "id": f"{change.id}:{change.document_id}",
        "at": format_rfc3339(change.at),
        "actor": change.actor,
        "source": change.source,
        "changeSet": serialize_id(change.id),
        "document_id": change.document_id,
        "before": change.before,
        "after": change.after,
    }


@blueprint.get("/v3/change-sets/<number:change_set_id>")
@require_scope("changes:read")
def change_set(change_set_id: int) -> Response:
    """One change set, with its totals."""
    return jsonify(change_set_json(get_change_set(change_set_id)))


@blueprint.post("/v3/change-sets/<number:change_set_id>/revert")
@require_scope("segments:write")
def undo(change_set_id: int) -> Response:
    """Put back every customer who still holds what the change set gave her: contract §3."""
    reverted = revert(change_set_id, current_client().actor(), dry_run=boolean("dry_run"))
    token_requests.note_counts(
        CustomerCounts(changed=reverted.customers, unchanged=reverted.unchanged), dry_run=boolean("dry_run")
    )
    answer = jsonify(
        changed=reverted.customers,
        unchanged=reverted.unchanged,
        conflicts=reverted.conflicts,
        changeSet=serialize_id(reverted.change_set_id),
    )
    return add_change_set(answer, reverted.change_set_id)
