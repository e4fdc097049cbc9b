"""The record of changes: the change feed, one change set, and its revert."""

from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from app.api import blueprint
from app.api.api_blueprint import Success, link
from app.api.examples import ANA, AT, CHANGE_SET_ID, GOLD
from app.api.feed_cursors import encode_position
from app.api.parameters import Choices, Cursor, PageQuery, QuerySchema, Seconds, text
from app.api.schemas import ResponseSchema, array_of, count, enum, string, timestamp
from app.core.errors import NoLongerRetained, NotFound
from app.core.history.feed import (
    FeedEntry,
    FeedFilter,
    current_position,
    entry_document_id,
    newest_position,
    read_feed,
)
from app.core.limits import MAX_WAIT_S
from app.core.models.change_sets import APPLYING, CANCELLED, DONE, SOURCES, FeedPosition, get_change_set
from app.core.models.customer_changes import KINDS
from app.serialization.change_set_json import change_set_json, format_rfc3339, serialize_id
from app.web.long_polling import progress, wait_for_change

SOURCE = "The interface by which the change was made."
NOW = "now"


class FeedCursor(Cursor):
    """A position in the feed, or `now`."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return value if value == NOW else super()._deserialize(value, *args, **kwargs)


class ChangesQuery(PageQuery):
    after = FeedCursor(
        int, int, int, description="`next` of the answer before; `now` answers no entries and the current cursor."
    )
    kind = Choices(*KINDS, description="Only entries of these kinds; repeatable.")
    document_id = text("Only entries of this customer.")
    type = text("Only entries whose segments of this type differ.")
    wait = Seconds(MAX_WAIT_S, "If there are no entries: waits for them, up to so many seconds.")


class Change(ResponseSchema):
    """An entry of the feed; which of the further members it has depends on its kind."""

    id = string("Identifies the entry.")
    kind = enum("What happened.", *KINDS)
    at = timestamp("When it was made.")
    actor = string("Who made it.")
    source = enum(SOURCE, *SOURCES)
    changeSet = string("The change set that it is part of.", allow_none=True)  # noqa: N815
    document_id = string("The customer.")
    before = fields.Raw(metadata={"description": "Segments or profile before; with `segments` and `profile`."})
    after = fields.Raw(metadata={"description": "Segments or profile after; not with `deleted` and `renamed`."})
    newDocumentId = fields.String(metadata={"description": "With `renamed`: later entries have this id."})  # noqa: N815


class Changes(ResponseSchema):
    changes = array_of(Change, "Oldest first.")
    next = string("The cursor to continue from, also after the newest entry.")


ENTRY = {"at": AT, "actor": "token crm-nightly", "source": "api", "changeSet": "42", "document_id": "1232-2323"}
PROFILE = {name: value for name, value in ANA.items() if name != "document_id"}


@blueprint.operation(
    "GET",
    "/v3/changes",
    name="listChanges",
    tag="Changes",
    scope="changes:read",
    query=ChangesQuery,
    responses=(
        Success(
            Changes,
            "The next entries; `next` is the cursor to continue from, also after the newest entry.",
            {
                "changes": [
                    {"id": "7:1", "kind": "segments", **ENTRY, "before": [], "after": [GOLD]},
                    {"id": "8:1", "kind": "profile", **ENTRY, "before": PROFILE, "after": {**PROFILE, "phone": None}},
                ],
                "next": "…",
            },
            links={
                "next": link("listChanges", after="$response.body#/next"),
                "changeSet": link("readChangeSet", change_set_id="$response.body#/changes/0/changeSet"),
            },
        ),
    ),
    errors=(NoLongerRetained,),
)
def changes(query: dict[str, Any]) -> Response:
    """The change feed

    Every change of every customer, oldest first: segments, profiles, creations, deletions and changed ids. Keep `next`
    and send it as `after`: no entry is skipped or repeated. A client that applies all entries in order, from the first
    or from a snapshot (`exportCustomers`), has the customers of the service. An entry never changes; only erasure and
    retention remove entries. 410 means that the place of the cursor is no longer known: take a new snapshot. With
    `wait`, the answer comes as soon as there are entries, or without entries after that time.
    """
    after = query["after"]
    if after == NOW:
        return jsonify(changes=[], next=encode_position(current_position()))
    entries, position = _next_entries(FeedPosition(*after) if after else None, query)
    return jsonify(changes=[entry_json(entry) for entry in entries], next=encode_position(position))


def _next_entries(after: FeedPosition | None, query: dict[str, Any]) -> tuple[list[FeedEntry], FeedPosition]:
    """Return the next entries, and the position after them. If there are none, the request waits as it says.

    The newest position is read before the entries: what is committed meanwhile ends the wait. A request with filters
    that was woken by other entries continues after these.
    """
    filters = FeedFilter(query["kind"], query["document_id"], query["type"])
    newest = newest_position() if query["wait"] else None
    entries, position = read_feed(progress() or after, filters, limit=query["limit"])
    if query["wait"] and not entries:
        wait_for_change("feed", newest_position, newest, query["wait"], progress=position)
    return entries, position


def entry_json(entry: FeedEntry) -> dict[str, Any]:
    """Return an entry of the change feed; which further members it has depends on its kind (contract §8)."""
    common = {
        "id": f"{entry.part_id}:{entry.number}",
        "kind": entry.kind,
        "at": format_rfc3339(entry.at),
        "actor": entry.actor,
        "source": entry.source,
        "changeSet": serialize_id(entry.change_set_id),
        "document_id": entry_document_id(entry),
    }
    if entry.kind in ("segments", "profile"):
        return {**common, "before": entry.before, "after": entry.after}
    if entry.kind == "created":
        return {**common, "after": entry.after}
    return {**common, "newDocumentId": entry.after["document_id"]} if entry.kind == "renamed" else common


class ChangeSetSchema(ResponseSchema):
    id = string()
    state = enum("Whether it is still being applied.", APPLYING, DONE, CANCELLED)
    at = timestamp("When it was made.")
    actor = string("Who made it.")
    source = enum(SOURCE, *SOURCES)
    note = string("The name of the file, or what the operator noted.", allow_none=True)
    reverts = string("The change set that it reverts.", allow_none=True)
    changed = count("Customers whose segments changed.")
    unchanged = count("Customers who had the new segments already.")
    created = count("Customers who were created.")
    updated = count("Customers whose name, e-mail, phone or document_id changed.")


@blueprint.operation(
    "GET",
    "/v3/change-sets/<number:change_set_id>",
    name="readChangeSet",
    tag="Changes",
    scope="changes:read",
    query=QuerySchema,
    path_parameters=(CHANGE_SET_ID,),
    responses=(
        Success(
            ChangeSetSchema,
            "Who made it, when and how, and how many customers it changed.",
            {
                "id": "42",
                "state": "done",
                "at": AT,
                "actor": "token crm-nightly",
                "source": "api",
                "note": None,
                "reverts": None,
                "changed": 1,
                "unchanged": 0,
                "created": 0,
                "updated": 0,
            },
            links={"revert": link("revertChangeSet", change_set_id="$response.body#/id")},
        ),
    ),
    errors=(NotFound,),
)
def change_set(query: dict[str, Any], change_set_id: int) -> Response:
    """One change set

    The totals of what one request, form, file or reversal changed.
    """
    return jsonify(change_set_json(get_change_set(change_set_id)))
