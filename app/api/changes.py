"""The record of changes: the change feed, one change set, and its revert."""

from typing import Any

from flask import Response, jsonify, request

from app.access.token_request_log import CustomerCounts
from app.api import blueprint, cursors, token_requests
from app.api.auth import current_client, require_scope
from app.api.headers import add_change_set
from app.api.parameters import boolean, choices, limit, text
from app.core.changes.replace_segments import ChangeTooLarge
from app.core.changes.revert import RevertResult, revert
from app.core.history.feed import FeedEntry, FeedFilter, current_position, read_feed
from app.core.models.change_sets import FeedPosition, get_change_set
from app.core.models.customer_changes import KINDS
from app.serialization.change_set_json import change_set_json, format_rfc3339, serialize_id
from app.web.cursors import encode_cursor


@blueprint.get("/v3/changes")
@require_scope("changes:read")
def changes() -> Response:
    """Return the change feed, oldest first; `next` is the cursor to continue from, always there: contract §8."""
    filters = FeedFilter(choices("kind", *KINDS), text("document_id"), text("type"))
    if request.args.get("after") == "now":
        return jsonify(changes=[], next=encode_position(current_position()))
    after = cursors.read("after", int, int, int)
    found, position = read_feed(FeedPosition(*after) if after else None, filters, limit=limit())
    return jsonify(changes=[entry_json(entry) for entry in found], next=encode_position(position))


def encode_position(position: FeedPosition) -> str:
    """Return the cursor of a place in the change feed."""
    return encode_cursor(position.position, position.number, position.tag)


def entry_json(entry: FeedEntry) -> dict[str, Any]:
    """Return an entry of the change feed; which further members it has depends on its kind: contract §8."""
    common = {
        "id": f"{entry.part_id}:{entry.number}",
        "kind": entry.kind,
        "at": format_rfc3339(entry.at),
        "actor": entry.actor,
        "source": entry.source,
        "changeSet": serialize_id(entry.change_set_id),
        "document_id": entry.document_id,
    }
    if entry.kind in ("segments", "profile"):
        return {**common, "before": entry.before, "after": entry.after}
    if entry.kind == "created":
        return {**common, "after": entry.after}
    return {**common, "newDocumentId": entry.after["document_id"]} if entry.kind == "renamed" else common


@blueprint.get("/v3/change-sets/<number:change_set_id>")
@require_scope("changes:read")
def change_set(change_set_id: int) -> Response:
    """Return one change set with its totals."""
    return jsonify(change_set_json(get_change_set(change_set_id)))


@blueprint.post("/v3/change-sets/<number:change_set_id>/revert")
@require_scope("segments:write")
def undo(change_set_id: int) -> Response:
    """Revert a change set: contract §8. The guard of the token counts customers who lose all their segments."""
    guard = None if request.headers.get("Guard") == "override" else current_client().guard
    dry_run = boolean("dry_run")
    try:
        result = revert(change_set_id, current_client().actor(), guard=guard, dry_run=dry_run)
    except ChangeTooLarge as error:
        error.extra = {"report": _report(error.outcome)}
        raise
    token_requests.note_counts(CustomerCounts(changed=result.customers, unchanged=result.unchanged), dry_run=dry_run)
    return add_change_set(jsonify(_report(result)), result.change_set_id)


def _report(result: RevertResult) -> dict[str, Any]:
    return {
        "changed": result.customers,
        "unchanged": result.unchanged,
        "conflicts": result.conflicts,
        "changeSet": serialize_id(result.change_set_id),
    }
