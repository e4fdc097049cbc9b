"""Jobs: changes of any number of customers, sent as a file and applied in the background (contract §8)."""

import hashlib
from collections.abc import Iterator
from typing import IO, Any

from flask import Response, g, request, stream_with_context
from flask.json import dumps
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.api import blueprint
from app.api.api_blueprint import Body, Success
from app.api.auth import current_client
from app.api.feed_cursors import AsOfField
from app.api.guarded_writes import effective_guard
from app.api.job_responses import (
    EXAMPLE,
    JOB_LINKS,
    STARTED,
    JobResponse,
    accepted,
    job_json,
    schedule_json,
    started_json,
)
from app.api.parameters import DryRunQuery, QuerySchema, RequiredChoice, SegmentTypes, Timestamp
from app.api.request_body import JSON_LINES_TYPES, MalformedJson
from app.api.schedules import history_retention, refuse
from app.api.segment_types import job_types
from app.api.write_headers import GuardedHeaders, HeaderSchema
from app.api.writes import run_write
from app.core.errors import DomainError, Forbidden, InvalidInput, NotFound, TooLarge, UnsupportedMediaType
from app.core.limits import MAX_UPLOAD_BYTES
from app.files.export import rejected_csv_chunks
from app.jobs.api_job import ACTIONS, ApiJob
from app.jobs.api_jobs import create_api_job, discard_api_job, start_api_job
from app.jobs.jobs import Job, NotReady, cancel, get_job_of_source
from app.jobs.schedules import Schedule, iter_schedule_errors
from app.jobs.states import JobKind
from app.jobs.uploads import iter_rejected
from app.serialization.request_schemas import ReplaceSegmentsSchema

SCOPES = "segments:write or customers:write"
LINE_TYPES = (*JSON_LINES_TYPES, "text/csv")
MEDIA_TYPES = ("application/json", *LINE_TYPES)
ENCODINGS = ("identity", "gzip")
JOB_ID = {"in": "path", "name": "job_id", "description": "As `Location` or `id` named it.", "example": "7"}


class SubmitQuery(DryRunQuery):
    action = RequiredChoice(*ACTIONS, description="What is done with the customers of the body.")
    as_of = AsOfField("Leaves customers alone who changed after this moment, or after this cursor of the change feed.")
    types = SegmentTypes("With `replace`: only segments of these types are replaced.")
    apply_at = Timestamp("Applies it at this moment instead of at once.")
    revert_at = Timestamp("Reverts its change set at this moment; later changes stay.")


@blueprint.before_request  # type: ignore[untyped-decorator]
def allow_upload() -> None:
    if request.endpoint == "api.submit_job":
        request.max_content_length = MAX_UPLOAD_BYTES


@blueprint.operation(
    "POST",
    "/v3/jobs",
    name="submitJob",
    tag="Jobs",
    scope=SCOPES,
    query=SubmitQuery,
    headers=GuardedHeaders,
    body=Body(
        ReplaceSegmentsSchema,
        {"customers": [{"document_id": "1232-2323", "segments": [{"type": "membership", "value": "GOLD"}]}]},
        LINE_TYPES,
    ),
    responses=(
        Success(
            JobResponse,
            "The job, which `Location` follows.",
            STARTED,
            status=202,
            headers=("Location",),
            links=JOB_LINKS,
        ),
    ),
    errors=(IdempotencyMismatch, InvalidInput, MalformedJson, TooLarge, UnsupportedMediaType),
    example_query="?action=replace",
)
def submit_job(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Change any number of customers

    The body is a file: JSON Lines of the elements that the other operations take, CSV (`document_id,type,value`, a row
    for each segment; or the columns of an export), or their JSON body; plain or gzip. It is checked as a whole, then
    applied in batches of 5,000 customers as one change set. `replace`, `merge` (adds) and `remove` change segments of
    existing customers, `upsert` creates and updates profiles. Rows with errors are left out and can be read; the guard
    of the token is checked before the first batch.

    With `apply_at` it is checked now and applied then, to customers for whom what was found still holds; the others are
    reported as `stale`. With `revert_at` the change set is reverted then. A job that could not be applied before
    `revert_at` fails.
    """
    types, schedule = _check(query), Schedule(query["apply_at"], query["revert_at"])
    if headers["idempotency_key"] is None:  # a repetition is answered even if the moment has passed since
        refuse(iter_schedule_errors(schedule, history_retention()), "the query")
    guard = effective_guard(headers)
    job = ApiJob.of(
        query["action"],
        dry_run=query["dry_run"],
        types=types,
        as_of=query["as_of"],
        guard=guard,
        reason=headers["change_reason"],
        scheduled=schedule.apply_at is not None,
        strict=current_client().strict,
    )
    body = _Digest(request.stream)
    job_id, job = create_api_job(current_client().actor(), job, body)  # type: ignore[arg-type]
    g.body_digest = body.hexdigest()

    def work(session: Session) -> StoredResponse:
        refuse(iter_schedule_errors(schedule, history_retention(), session=session), "the query")
        start_api_job(session, job_id, job, schedule)
        return StoredResponse(dumps(started_json(job_id, **schedule_json(schedule))), None)

    try:
        if not job.size:
            raise MalformedJson(MalformedJson.example)
        response = run_write(work, headers)
    except DomainError:
        discard_api_job(job_id)
        raise
    if "Idempotent-Replayed" in response.headers:
        discard_api_job(job_id)
    return accepted(response)


def _check(query: dict[str, Any]) -> frozenset[str]:
    """Return the types that the job may change. Raises the errors that `submit_job` declares."""
    check_encoding()
    action = query["action"]
    _check_scope(action)
    if query["types"] is not None and action != "replace":
        raise InvalidInput([("types", "Is supported by the action replace only.")], "the query")
    if query["as_of"] is not None and action == "upsert":
        raise InvalidInput([("as_of", "Is not supported by the action upsert.")], "the query")
    moments = [name for name in ("apply_at", "revert_at") if query[name] is not None]
    if query["dry_run"] and moments:
        raise InvalidInput([(name, "Is not supported with dry_run.") for name in moments], "the query")
    return job_types(query["types"])


def check_encoding() -> None:
    """Raise UnsupportedMediaType for a body that is no file of customers."""
    if request.mimetype not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"Send one of the media types {', '.join(MEDIA_TYPES)}.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ENCODINGS:
        raise UnsupportedMediaType("Send the body uncompressed, or with Content-Encoding: gzip.")


def _check_scope(action: str | None) -> None:
    scope = "customers:write" if action == "upsert" else "segments:write"
    if scope not in current_client().scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")


class _Digest:
    """A body that is read once, and its SHA-256."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._sha256 = stream, hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._sha256.update(content)
        return content

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def get_visible_job(job_id: int) -> Job:
    """Return a job that API clients started. Raises NotFound and Forbidden.

    A token that is limited to segment types sees only the jobs that it started: others may be about other types.
    """
    job, client = get_job_of_source(job_id, "api"), current_client()
    if client.types and job.created_by != client.actor().name:
        raise Forbidden("The token is limited to segment types. It can read and cancel only the jobs that it started.")
    _check_scope(job.payload.get("action") if job.kind == JobKind.API else None)
    return job


@blueprint.operation(
    "GET",
    "/v3/jobs/<number:job_id>",
    name="readJob",
    tag="Jobs",
    scope=SCOPES,
    query=QuerySchema,
    path_parameters=(JOB_ID,),
    responses=(Success(JobResponse, "The job as it is now.", EXAMPLE),),
    errors=(NotFound,),
)
def read_job(query: dict[str, Any], job_id: int) -> Response:
    """One job

    Its progress and, once there is one, its report. Needs the scope of the job's action.
    """
    return Response(dumps(job_json(get_visible_job(job_id))), mimetype="application/json")


@blueprint.operation(
    "DELETE",
    "/v3/jobs/<number:job_id>",
    name="cancelJob",
    tag="Jobs",
    scope=SCOPES,
    query=QuerySchema,
    headers=HeaderSchema,
    path_parameters=(JOB_ID,),
    responses=(
        Success(JobResponse, "The job, which ends after its current batch.", {**EXAMPLE, "state": "cancelled"}),
    ),
    errors=(NotFound, NotReady),
)
def cancel_job(query: dict[str, Any], headers: dict[str, Any], job_id: int) -> Response:
    """Cancel a job

    A scheduled job is not applied. A running one ends after the current batch; batches that are applied stay, and the
    change set can be reverted. 409 if the job has ended.
    """
    cancel(get_visible_job(job_id))
    return Response(dumps(job_json(get_visible_job(job_id))), mimetype="application/json")


@blueprint.operation(
    "GET",
    "/v3/jobs/<number:job_id>/rejected",
    name="readRejectedRows",
    tag="Jobs",
    scope=SCOPES,
    query=QuerySchema,
    path_parameters=(JOB_ID,),
    responses=(
        Success(
            None,
            "The columns of the file, or `row` for JSON, with the line and the error.",
            'row,line,error\n"{""document_id"": ""4712""}",2,segments: Required.\n',
            media_type="text/csv",
        ),
    ),
    errors=(NotFound,),
)
def read_rejected(query: dict[str, Any], job_id: int) -> Response:
    """The rows of a job that have errors

    The file can be corrected and sent again: the columns `line` and `error` are ignored. Kept for 30 days.
    """
    job = get_visible_job(job_id)
    response = Response(stream_with_context(_lines(job)), mimetype="text/csv")
    response.headers["Cache-Control"] = "no-store"
    return response


def _lines(job: Job) -> Iterator[str]:
    return rejected_csv_chunks((job.preview or {}).get("columns"), iter_rejected(job.id))
