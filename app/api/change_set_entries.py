"""The entries of one change set, of every kind."""

from typing import Any

from flask import Response, jsonify

from app.api import blueprint
from app.api.api_blueprint import Success
from app.api.changes import Change, entry_json
from app.api.examples import AT, CHANGE_SET_ID, GOLD
from app.api.parameters import Choices, Cursor, PageQuery
from app.api.schemas import ResponseSchema, array_of, next_cursor
from app.core.errors import NotFound
from app.core.history.change_sets import START, list_entries
from app.core.history.feed import entry_document_id
from app.core.models.change_sets import get_change_set
from app.core.models.customer_changes import KINDS
from app.web.cursors import encode_cursor


class EntriesQuery(PageQuery):
    kind = Choices(*KINDS, description="Only entries of these kinds; repeatable.")
    cursor = Cursor(int, int)


class ChangeSetEntries(ResponseSchema):
    changes = array_of(Change, "In the order of the change feed.")
    next = next_cursor()


SILVER = {**GOLD, "value": "SILVER"}
ENTRY = {"id": "7:1", "kind": "segments", "at": AT, "actor": "token crm-nightly", "source": "api", "changeSet": "42"}


@blueprint.operation(
    "GET",
    "/v3/change-sets/<number:change_set_id>/changes",
    name="listChangeSetEntries",
    tag="Changes",
    scope="changes:read",
    query=EntriesQuery,
    path_parameters=(CHANGE_SET_ID,),
    responses=(
        Success(
            ChangeSetEntries,
            "A page of entries; `next` is the cursor of the next page, or null.",
            {"changes": [{**ENTRY, "document_id": "1232-2323", "before": [SILVER], "after": [GOLD]}], "next": None},
        ),
    ),
    errors=(NotFound,),
)
def change_set_entries(query: dict[str, Any], change_set_id: int) -> Response:
    """The entries of a change set

    What the change set did to each customer, of every kind and in the shape of the change feed. Entries that erasure or
    retention removed are left out.
    """
    get_change_set(change_set_id)
    limit = query["limit"]
    found = list_entries(change_set_id, query["kind"], after=query["cursor"] or START, limit=limit + 1)
    page = found[:limit]
    following = encode_cursor(page[-1].position, page[-1].number) if len(found) > limit else None
    return jsonify(
        changes=[entry_json(entry) for entry in page if entry_document_id(entry) is not None], next=following
    )
