"""Customers as a whole: a snapshot of all of them to follow the change feed from, and the erasure of one."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from flask import Response, jsonify, stream_with_context

from app.access.audit_log import record_event_now
from app.api import blueprint
from app.api.api_blueprint import Success
from app.api.auth import current_client
from app.api.customer import PreconditionFailed, check_precondition_of, if_match
from app.api.customers import FilterQuery, parse_filter
from app.api.examples import ANA, CHANGE_SET_LINKS, CUSTOMER_ID, GOLD
from app.api.feed_cursors import encode_position
from app.api.parameters import QuerySchema
from app.api.schemas import SEGMENTS, ResponseSchema, Segment, array_of, string
from app.api.write_headers import HeaderSchema
from app.core.changes.erasure import erase_customers
from app.core.errors import CustomerNotFound
from app.core.history.feed import begin_snapshot
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.core.search.customers import iter_customers
from app.core.search.filters import Filter
from app.serialization.change_set_json import serialize_id


class ExportedCustomer(ResponseSchema):
    class Meta(ResponseSchema.Meta):
        include = {name: string(allow_none=True) for name in PROFILE_FIELD_NAMES}  # noqa: RUF012 - as marshmallow has it

    document_id = string()
    segments = array_of(Segment, SEGMENTS)


@blueprint.operation(
    "GET",
    "/v3/customers/export",
    name="exportCustomers",
    tag="Customers",
    scope="customers:read",
    query=FilterQuery,
    responses=(
        Success(
            ExportedCustomer,
            "A line of JSON for each customer, ordered by document_id.",
            {**ANA, "segments": [GOLD]},
            headers=("Change-Cursor",),
            media_type="application/x-ndjson",
        ),
    ),
)
def export_customers(query: dict[str, Any]) -> Response:
    """A snapshot of all customers

    All customers that match, as JSON Lines, in one consistent state. The header `Change-Cursor` is the cursor from
    which to follow the change feed.
    """
    filters = parse_filter(query)
    cursor = encode_position(begin_snapshot())
    response = Response(stream_with_context(_lines(filters)), mimetype="application/x-ndjson")
    response.headers["Change-Cursor"] = cursor
    response.headers["Cache-Control"] = "no-store"
    return response


def _lines(filters: Filter) -> Iterator[bytes]:
    for customer in iter_customers(filters):
        yield orjson.dumps(customer, option=orjson.OPT_APPEND_NEWLINE)


class EraseHeaders(HeaderSchema):
    if_match = if_match()


class ErasedCustomer(ResponseSchema):
    changeSet = string("The change set of the erasure.")  # noqa: N815


@blueprint.operation(
    "DELETE",
    "/v3/customers/<customer_id:document_id>",
    name="eraseCustomer",
    tag="Customers",
    scope="customers:erase",
    query=QuerySchema,
    headers=EraseHeaders,
    path_parameters=(CUSTOMER_ID,),
    responses=(
        Success(
            ErasedCustomer,
            "The change set of the erasure.",
            {"changeSet": "43"},
            headers=("Change-Set",),
            links={"changeSet": CHANGE_SET_LINKS["changeSet"]},
        ),
    ),
    errors=(CustomerNotFound, PreconditionFailed),
)
def erase(query: dict[str, Any], headers: dict[str, Any], document_id: str) -> Response:
    """Erase a customer

    Deletes the customer and all entries of the change feed about them, under every id they had. One `deleted` entry
    remains for 30 days, with its id encrypted in the database. With If-Match, only a customer with this ETag is erased.
    """
    check = partial(check_precondition_of, document_id=document_id)
    result = erase_customers([document_id], current_client().actor(), check)
    if not result.erased:
        raise CustomerNotFound("No customer has this document_id.")
    record_event_now("customer_erased", after={"customers": 1})  # never the id
    response = jsonify(changeSet=serialize_id(result.change_set_ids[0]))
    response.headers["Change-Set"] = str(result.change_set_ids[0])
    return response
