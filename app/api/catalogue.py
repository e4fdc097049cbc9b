"""The catalogue: the segments that customers have, with the number of customers of each."""

from typing import Any

from flask import Response, jsonify

from app.api import blueprint
from app.api.api_blueprint import Success
from app.api.examples import GOLD
from app.api.parameters import Cursor, PageQuery, text
from app.api.schemas import ResponseSchema, Segment, array_of, count, next_cursor
from app.core.counts.segment_counts import catalogue
from app.core.models.segments import SegmentPair
from app.web.cursors import encode_cursor
from app.web.replica_reads import from_replica


class CatalogueQuery(PageQuery):
    type = text("Only segments of this type.")
    cursor = Cursor(str, str)


class CountedSegment(Segment):
    customers = count("Customers who have the segment.")


class Catalogue(ResponseSchema):
    segments = array_of(CountedSegment)
    next = next_cursor()


@blueprint.operation(
    "GET",
    "/v3/segments",
    name="listSegments",
    tag="Segments",
    scope="segments:read",
    query=CatalogueQuery,
    responses=(
        Success(
            Catalogue,
            "A page of segments; `next` is the cursor of the next page, or null.",
            {"segments": [{**GOLD, "customers": 12431}], "next": None},
        ),
    ),
)
@from_replica
def segments(query: dict[str, Any]) -> Response:
    """The catalogue

    Every segment that customers have, by type and value, with the number of customers who have it.
    """
    limit, cursor = query["limit"], query["cursor"]
    found = catalogue(SegmentPair(*cursor) if cursor else None, limit=limit + 1, type_=query["type"])
    page = [size._asdict() for size in found[:limit]]
    return jsonify(segments=page, next=encode_cursor(*found[limit - 1].pair) if len(found) > limit else None)
