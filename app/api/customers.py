"""Customers: listed and searched; created and updated by document_id. Their segments have endpoints of their own."""

import dataclasses
from typing import Any

from flask import Response, jsonify
from flask.json import dumps
from marshmallow import fields
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.access.token_request_log import CustomerCounts
from app.api import blueprint, token_requests
from app.api.api_blueprint import Body, Success, link
from app.api.auth import current_client
from app.api.errors import BODY_ERRORS
from app.api.examples import ANA, AT, CHANGE_SET_LINKS, FIRST_DOCUMENT_ID, GOLD
from app.api.parameters import Choice, Cursor, DryRunQuery, Flag, PageQuery, QuerySchema, SegmentFilter, text
from app.api.request_body import customers_body
from app.api.schemas import (
    SEGMENTS,
    ResponseSchema,
    Segment,
    array_of,
    change_set_id,
    count,
    next_cursor,
    string,
    strings,
    timestamp,
)
from app.api.write_headers import IdempotentHeaders
from app.api.writes import run_write
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.profiles import upsert_customers
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.core.search.customers import CustomerRow, find_customers
from app.core.search.filters import Filter, Order
from app.serialization.change_set_json import format_rfc3339, serialize_id
from app.serialization.request_schemas import UpsertCustomersSchema, parse_customers
from app.web.cursors import encode_cursor
from app.web.replica_reads import from_replica


class FilterQuery(QuerySchema):
    q = text("Parts of the id, name, e-mail or phone, without case, accents and punctuation; every word must occur.")
    segment = SegmentFilter("`type:value` that the customers have; repeatable.", attribute="segments")
    without = SegmentFilter("`type:value` that the customers do not have; repeatable.")
    has = Choice("any", "none", description="Whether the customers have any segments.")


def parse_filter(query: dict[str, Any]) -> Filter:
    """Return the filter of a FilterQuery: each field of Filter is a parameter."""
    values = {field.name: query[field.name] for field in dataclasses.fields(Filter)}
    return Filter(**{name: value for name, value in values.items() if value is not None})


class CustomersQuery(FilterQuery, PageQuery):
    cursor = Cursor(str)


class FoundCustomer(ResponseSchema):
    class Meta(ResponseSchema.Meta):
        include = {name: string(allow_none=True) for name in PROFILE_FIELD_NAMES}  # noqa: RUF012 - as marshmallow has it

    document_id = string()
    segments = array_of(Segment, SEGMENTS)
    changedAt = timestamp("When the segments last changed; null if they never did.", allow_none=True)  # noqa: N815


class Customers(ResponseSchema):
    customers = array_of(FoundCustomer)
    next = next_cursor()


@blueprint.operation(
    "GET",
    "/v3/customers",
    name="listCustomers",
    tag="Customers",
    scope="customers:read",
    query=CustomersQuery,
    responses=(
        Success(
            Customers,
            "A page of customers; `next` is the cursor of the next page, or null.",
            {"customers": [{**ANA, "segments": [GOLD], "changedAt": AT}], "next": None},
            links={"segments": link("readSegments", document_id="$response.body#/customers/0/document_id")},
        ),
    ),
    example_query="?q=gomez&segment=membership:GOLD",
)
@from_replica
def customers(query: dict[str, Any]) -> Response:
    """List and search customers

    By document_id; those for whom all filters are true.
    """
    limit = query["limit"]
    found = find_customers(parse_filter(query), Order(), after=query["cursor"], limit=limit + 1)
    next_ = encode_cursor(found[limit - 1].document_id) if len(found) > limit else None
    return jsonify(customers=[_customer_json(row) for row in found[:limit]], next=next_)


def _customer_json(row: CustomerRow) -> dict[str, Any]:
    return {
        "document_id": row.document_id,
        **{name: getattr(row, name) for name in PROFILE_FIELD_NAMES},
        "segments": row.segments,
        "changedAt": format_rfc3339(row.changed_at) if row.changed_at else None,
    }


class UpsertQuery(DryRunQuery):
    report = Flag("Adds the report: which ids were sent more than once, and the change set.")


class UpsertReport(ResponseSchema):
    duplicates = strings("Ids that were sent more than once; the first entry counted.")
    changeSet = change_set_id()  # noqa: N815


class UpsertCounts(ResponseSchema):
    created = count("Customers who are new.")
    updated = count("Customers whose profile changed.")
    unchanged = count("Customers whose profile was as sent already.")
    report = fields.Nested(UpsertReport, metadata={"description": "With `report`."})


@blueprint.operation(
    "POST",
    "/v3/customers",
    name="saveCustomers",
    tag="Customers",
    scope="customers:write",
    query=UpsertQuery,
    headers=IdempotentHeaders,
    body=Body(UpsertCustomersSchema, {"customers": [ANA]}),
    responses=(
        Success(
            UpsertCounts,
            "How many customers were created, updated, and as sent already.",
            {"created": 1, "updated": 0, "unchanged": 0},
            headers=("Change-Set",),
            links={
                **CHANGE_SET_LINKS,
                "segments": link("readSegments", document_id=FIRST_DOCUMENT_ID),
                "gateway": link("gateway", document_id=FIRST_DOCUMENT_ID),
                "replace": {
                    "operationId": "replaceSegments",
                    "requestBody": {"customers": [{"document_id": FIRST_DOCUMENT_ID, "segments": [GOLD]}]},
                },
            },
        ),
    ),
    errors=(*BODY_ERRORS, IdempotencyMismatch),
)
def save(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Create or update customers

    By document_id; segments stay untouched, and so do fields that are not sent.
    """
    rows, duplicates = parse_customers(customers_body())

    def work(session: Session) -> StoredResponse:
        with open_change_set(session, current_client().actor(), note=headers["change_reason"]) as change_set:
            saved = upsert_customers(session, rows, change_set)
        change_set_id = change_set.id if change_set.has_changes and not query["dry_run"] else None
        token_requests.note_counts(
            CustomerCounts(sent=len(rows), changed=saved.created + saved.updated, unchanged=saved.unchanged),
            dry_run=query["dry_run"],
        )
        body: dict[str, Any] = {"created": saved.created, "updated": saved.updated, "unchanged": saved.unchanged}
        if query["report"]:
            body["report"] = {"duplicates": duplicates, "changeSet": serialize_id(change_set_id)}
        return StoredResponse(dumps(body), change_set_id)

    return run_write(work, headers, dry_run=query["dry_run"])
