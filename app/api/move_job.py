"""Moving a scheduled job (contract §8)."""

from dataclasses import replace
from typing import Any

from flask import Response
from flask.json import dumps

from app.api import blueprint
from app.api.api_blueprint import Body, Success
from app.api.errors import BODY_ERRORS
from app.api.job_responses import EXAMPLE, JobResponse, job_json
from app.api.jobs import JOB_ID, SCOPES, get_visible_job
from app.api.parameters import QuerySchema
from app.api.request_body import json_body
from app.api.schedules import ScheduleSchema, history_retention, refuse
from app.api.write_headers import HeaderSchema
from app.core.errors import NotFound
from app.jobs.jobs import NotReady
from app.jobs.schedules import current_schedule, iter_move_errors, reschedule
from app.serialization.request_schemas import parse_timestamp, validate_body


@blueprint.operation(
    "PATCH",
    "/v3/jobs/<number:job_id>",
    name="moveJob",
    tag="Jobs",
    scope=SCOPES,
    query=QuerySchema,
    headers=HeaderSchema,
    path_parameters=(JOB_ID,),
    body=Body(ScheduleSchema, {"revert_at": "2027-01-07T00:00:00+01:00"}),
    responses=(Success(JobResponse, "The job.", {**EXAMPLE, "revert_at": "2027-01-06T23:00:00Z", "revertJob": "8"}),),
    errors=(*BODY_ERRORS, NotFound, NotReady),
)
def move_job(query: dict[str, Any], headers: dict[str, Any], job_id: int) -> Response:
    """Move a scheduled job

    `apply_at` can be moved until then; `revert_at` can be set, moved or, with null, removed until then, also when the
    job is applied. 409 if it is too late.
    """
    job, body = get_visible_job(job_id), json_body()
    validate_body(body, ScheduleSchema())
    moments = {name: body[name] and parse_timestamp(body[name]) for name in ScheduleSchema().fields if name in body}
    schedule = replace(current_schedule(job), **moments)
    refuse(iter_move_errors(job, schedule, history_retention()), "the request body")
    reschedule(job.id, schedule)
    return Response(dumps(job_json(get_visible_job(job_id))), mimetype="application/json")
