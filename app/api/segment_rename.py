"""Rename a segment, or merge it into another one (contract §8)."""

from typing import Any

from flask import Response
from flask.json import dumps
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.api import blueprint
from app.api.api_blueprint import Body, Success
from app.api.auth import current_client
from app.api.errors import BODY_ERRORS
from app.api.examples import GOLD, SEGMENT_PATH
from app.api.job_responses import JOB_LINKS, STARTED, JobResponse, accepted, started_json
from app.api.parameters import QuerySchema
from app.api.request_body import json_body
from app.api.segment_types import changed_segment
from app.api.strict_tokens import check_pair
from app.api.write_headers import IdempotentHeaders
from app.api.writes import run_write
from app.core.errors import InvalidInput
from app.core.search.filters import Filter
from app.jobs.bulk_edits import BulkEdit
from app.jobs.jobs import insert_job
from app.jobs.states import JobKind, JobState
from app.serialization.request_schemas import SegmentPairSchema, validate_body


@blueprint.operation(
    "POST",
    "/v3/segments/<segment_part:type>/<segment_part:value>/rename",
    name="renameSegment",
    tag="Segments",
    scope="segments:write",
    query=QuerySchema,
    headers=IdempotentHeaders,
    path_parameters=SEGMENT_PATH,
    body=Body(SegmentPairSchema, {**GOLD, "value": "PLATINUM"}),
    responses=(
        Success(JobResponse, "The job that does it.", STARTED, status=202, headers=("Location",), links=JOB_LINKS),
    ),
    errors=(*BODY_ERRORS, IdempotencyMismatch),
)
def rename_segment(query: dict[str, Any], headers: dict[str, Any], type: str, value: str) -> Response:
    """Rename a segment

    A job gives every customer who has the segment the new one in its place; those who have the new one already keep it
    once, which merges the two segments. One change set. 403 if the token is limited to other segment types.
    """
    body = json_body()
    validate_body(body, SegmentPairSchema())
    old = changed_segment(type, value)
    new = changed_segment(body["type"], body["value"], "the request body")
    check_pair(new)
    if new == old:
        raise InvalidInput([("value", "Must differ from the segment of the path.")])
    edit = BulkEdit(
        "rename",
        [old.to_dict(), new.to_dict()],
        Filter(segments=(old,)),
        applies=True,
        reason=headers["change_reason"],
        governed=current_client().strict,
    )

    def work(session: Session) -> StoredResponse:
        job_id = insert_job(session, JobKind.EDIT, current_client().actor(), edit.to_dict(), JobState.CHECKING)
        return StoredResponse(dumps(started_json(job_id)), None)

    return accepted(run_write(work, headers))
