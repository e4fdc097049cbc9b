"""The segments of one customer, by id or by e-mail."""

from typing import Any

from flask import Response, jsonify

from app.api import blueprint
from app.api.api_blueprint import Success
from app.api.examples import CUSTOMER_ID, GOLD
from app.api.parameters import QuerySchema, Timestamp, identifier
from app.api.schemas import SEGMENTS, ResponseSchema, Segment, array_of
from app.core.errors import AmbiguousEmail, CustomerNotFound, InvalidInput, NoLongerRetained
from app.core.history.timeline import segments_at
from app.core.models.customers import get_segments, get_segments_by_email
from app.core.models.segments import Segments


class CustomersSegments(ResponseSchema):
    segments = array_of(Segment, SEGMENTS)


class GatewayQuery(QuerySchema):
    document_id = identifier("The id of the customer.", example="1232-2323")
    email = identifier("The e-mail of the customer.")


class PointInTimeQuery(QuerySchema):
    at = Timestamp("As of this moment; by default, now.")


@blueprint.operation(
    "GET",
    "/customers/segments",
    name="gateway",
    tag="Segments",
    scope="segments:read",
    query=GatewayQuery,
    responses=(Success(CustomersSegments, "The segments of the customer, in their order.", {"segments": [GOLD]}),),
    errors=(CustomerNotFound, AmbiguousEmail),
    example_query="?email=ana@example.com",
)
def gateway(query: dict[str, Any]) -> Response:
    """One customer's segments, by document_id or e-mail

    The request that an e-commerce platform makes at sign-up. Send one of the two. E-mails are compared without regard
    to case.
    """
    document_id, email = query["document_id"], query["email"]
    if (document_id and email) or (document_id is None and email is None):
        raise InvalidInput([("document_id", "Send either document_id or email.")], "the query")
    if email or document_id is None:
        return _segments(_segments_by_email(email))
    return _segments(get_segments(document_id))


def _segments_by_email(email: str) -> Segments:
    """Return the segments by e-mail; a `+` that was not encoded arrives as a space."""
    try:
        return get_segments_by_email(email)
    except CustomerNotFound:
        if " " not in email:
            raise
        return get_segments_by_email(email.replace(" ", "+"))


@blueprint.operation(
    "GET",
    "/v3/customers/<document_id:document_id>/segments",
    name="readSegments",
    tag="Segments",
    scope="segments:read",
    query=PointInTimeQuery,
    path_parameters=(CUSTOMER_ID,),
    responses=(Success(CustomersSegments, "The segments of the customer, in their order.", {"segments": [GOLD]}),),
    errors=(CustomerNotFound, NoLongerRetained),
)
def read(query: dict[str, Any], document_id: str) -> Response:
    """One customer's segments

    By the id in the path; now, or as of a moment since the record begins.
    """
    moment = query["at"]
    return _segments(get_segments(document_id) if moment is None else segments_at(document_id, moment))


def _segments(segments: Segments) -> Response:
    return jsonify(segments=segments)
