"""What another system holds, compared with what is stored (contract §8)."""

from itertools import islice
from typing import Any

from flask import Response, current_app, request
from flask.json import dumps
from marshmallow import fields

from app.api import blueprint
from app.api.api_blueprint import Body, Success
from app.api.examples import GOLD
from app.api.jobs import LINE_TYPES, check_encoding
from app.api.parameters import Cursor, PageQuery
from app.api.schemas import SEGMENTS, ResponseSchema, Segment, array_of, next_cursor, string
from app.api.write_headers import HeaderSchema
from app.core.errors import InvalidInput, TooLarge, UnsupportedMediaType
from app.core.limits import MAX_ERROR_DETAILS
from app.files.formats import KnownFormat, UnreadableFile
from app.files.reading import open_stream
from app.jobs.compare_file import iter_differences
from app.jobs.stage_file import StagingOptions, stage_file
from app.serialization.request_schemas import ReplaceSegmentsSchema
from app.web.cursors import encode_cursor


class DifferenceResponse(ResponseSchema):
    document_id = string()
    sent = array_of(Segment, "As sent.")
    stored = fields.List(
        fields.Nested(Segment), required=True, allow_none=True, metadata={"description": f"{SEGMENTS} Null: not found."}
    )


class Differences(ResponseSchema):
    differences = array_of(DifferenceResponse, "Customers whose segments differ, and ids that no customer has.")
    next = next_cursor()


class DiffQuery(PageQuery):
    cursor = Cursor(int, description="`next` of the answer before; send the same body again.")


@blueprint.operation(
    "POST",
    "/v3/diff",
    name="compareSegments",
    tag="Segments",
    scope="segments:read",
    query=DiffQuery,
    headers=HeaderSchema,
    body=Body(ReplaceSegmentsSchema, {"customers": [{"document_id": "1232-2323", "segments": []}]}, LINE_TYPES),
    responses=(
        Success(
            Differences,
            "Who differs, and how.",
            {"differences": [{"document_id": "1232-2323", "sent": [], "stored": [GOLD]}], "next": None},
        ),
    ),
    errors=(InvalidInput, TooLarge, UnreadableFile, UnsupportedMediaType),
)
def compare(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Compare segments with what is stored

    The body is as for replacing, or a file as for jobs, up to the size of a request. The answer names the customers
    whose segments differ in a pair or in their order, and the ids that no customer has. Nothing is written.
    """
    check_encoding()
    limit, (after,) = query["limit"], query["cursor"] or (0,)
    source_limit = current_app.config["MAX_BODY_BYTES"]
    with (
        open_stream(request.stream, known=KnownFormat(workbooks=False), max_uncompressed=source_limit) as source,  # type: ignore[arg-type]
        stage_file(
            source, lambda _position: None, StagingOptions(needs_segments=True, max_rejected=MAX_ERROR_DETAILS)
        ) as staging,
    ):
        rejected = [(f"line {line}", error) for line, error, _raw in staging.rejected()]
        if rejected:
            raise InvalidInput(iter(rejected))
        found = list(islice(iter_differences(staging, after=after), limit + 1))
    page = found[:limit]
    body = {
        "differences": [difference.to_dict() for difference in page],
        "next": encode_cursor(page[-1].position) if len(found) > limit else None,
    }
    return Response(dumps(body), mimetype="application/json")
