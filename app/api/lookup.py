"""Many customers looked up by id or e-mail (contract §8)."""

from typing import Any

from flask import Response
from flask.json import dumps
from marshmallow import fields, validate

from app.api import blueprint
from app.api.api_blueprint import Body, Success
from app.api.customer import CustomerResponse
from app.api.errors import BODY_ERRORS
from app.api.examples import ANA, GOLD
from app.api.parameters import QuerySchema
from app.api.request_body import json_body
from app.api.schemas import ResponseSchema, array_of, strings
from app.api.write_headers import HeaderSchema
from app.core.errors import InvalidInput
from app.core.limits import MAX_LOOKUP
from app.core.search.lookup import lookup_emails, lookup_ids
from app.serialization.request_schemas import RequestSchema, validate_body


class LookupSchema(RequestSchema):
    """Either `document_ids` or `emails`."""

    document_ids = fields.List(fields.String(), validate=validate.Length(min=1, max=MAX_LOOKUP))
    emails = fields.List(fields.String(), validate=validate.Length(min=1, max=MAX_LOOKUP))


class LookupResponse(ResponseSchema):
    customers = array_of(CustomerResponse, "The customers, in the order of the request.")
    notFound = strings("Ids or e-mails that no customer has.")  # noqa: N815


@blueprint.operation(
    "POST",
    "/v3/customers/lookup",
    name="lookupCustomers",
    tag="Customers",
    scope="customers:read",
    query=QuerySchema,
    headers=HeaderSchema,
    body=Body(LookupSchema, {"document_ids": ["1232-2323", "222-133"]}),
    responses=(
        Success(
            LookupResponse,
            "The customers found, and what was not found.",
            {"customers": [{**ANA, "segments": [GOLD]}], "notFound": ["222-133"]},
        ),
    ),
    errors=BODY_ERRORS,
)
def lookup(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Look up many customers

    By document_id or by e-mail, up to 1000 of them. Of an e-mail that several customers have, all are returned.
    """
    body = json_body()
    validate_body(body, LookupSchema())
    if ("document_ids" in body) == ("emails" in body):
        raise InvalidInput([("document_ids", "Send either document_ids or emails.")])
    found, missing = lookup_ids(body["document_ids"]) if "document_ids" in body else lookup_emails(body["emails"])
    return Response(dumps({"customers": found, "notFound": missing}), mimetype="application/json")
