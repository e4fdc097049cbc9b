"""How a job is answered: by itself, and with 202 by the operations that start one (contract §8)."""

from dataclasses import asdict
from typing import Any

from flask import Response, url_for
from marshmallow import fields

from app import background
from app.api.api_blueprint import link
from app.api.schemas import ResponseSchema, change_set_id, count, enum, guard_warning, string, strings, timestamp
from app.jobs.jobs import Job
from app.jobs.reports import job_report
from app.jobs.schedules import Schedule, current_schedule
from app.jobs.states import JobState
from app.serialization.change_set_json import format_rfc3339, serialize_id

JOB_LINKS = {"job": link("readJob", job_id="$response.body#/id")}
EXAMPLE = {
    "id": "7",
    "state": "done",
    "done": 2,
    "total": 2,
    "report": {
        **{"changed": 1, "unchanged": 0, "created": 0, "updated": 0},
        **{"notFound": [], "duplicates": [], "stale": [], "conflicts": [], "overLimit": [], "rejected": 0},
    },
    "changeSet": "42",
    "error": None,
    "apply_at": None,
    "revert_at": None,
    "revertJob": None,
}
STARTED = {**EXAMPLE, "state": "checking", "done": 0, "total": None, "report": None, "changeSet": None}


class JobReport(ResponseSchema):
    """What the job did; of a dry run or a held job, what it would do. Lists end after 1000 ids."""

    changed = count("Customers whose segments changed.")
    unchanged = count("Customers who had the new segments or profile already.")
    created = count("Customers who were created.")
    updated = count("Customers whose profile changed.")
    notFound = strings("Ids that no customer has.")  # noqa: N815 - as the contract spells it
    duplicates = strings("Ids that were sent more than once; the first row counted.")
    stale = strings("Customers who changed after `as_of`, or since they were found, and were left alone.")
    conflicts = strings("Of a revert: customers who changed later, and were left alone.")
    overLimit = strings("Customers who would have more segments than the service allows, and were left alone.")  # noqa: N815
    rejected = count("Rows with errors.")
    warning = guard_warning()
    added = fields.Integer(metadata={"description": "Of a list of members: who gained the segment.", "minimum": 0})
    removed = fields.Integer(metadata={"description": "Of a list of members: who lost the segment.", "minimum": 0})


class JobResponse(ResponseSchema):
    id = string()
    state = enum(
        "`checking`, `scheduled` and `applying` go on, `held` waits for an operator; the others are final.",
        *(JobState.CHECKING, JobState.HELD, JobState.SCHEDULED, JobState.APPLYING),
        *(JobState.DONE, JobState.CANCELLED, JobState.FAILED),
    )
    done = count("Bytes or customers that were processed in this state.")
    total = fields.Integer(required=True, allow_none=True, metadata={"description": "Of how many, if it is known."})
    report = fields.Nested(
        JobReport, required=True, allow_none=True, metadata={"description": "Null while the file is being checked."}
    )
    changeSet = change_set_id()  # noqa: N815
    error = string("Why it failed, or why a held job ended.", allow_none=True)
    apply_at = timestamp("When it is applied; null for at once.", allow_none=True)
    revert_at = timestamp("When its change set is reverted; null for never.", allow_none=True)
    revertJob = string("The job that reverts it.", allow_none=True)  # noqa: N815


def job_json(job: Job) -> dict[str, Any]:
    """Return a job (contract §8)."""
    return {
        "id": serialize_id(job.id),
        "state": JobState.CANCELLED if job.state == JobState.DISCARDED else job.state,
        "done": job.done,
        "total": job.total,
        "report": job_report(job),
        "changeSet": serialize_id(job.change_set_id),
        "error": job.error,
        **schedule_json(current_schedule(job)),
        "revertJob": serialize_id(job.revert_job_id),
    }


def schedule_json(schedule: Schedule) -> dict[str, Any]:
    """Return the moments of a job."""
    return {name: moment and format_rfc3339(moment) for name, moment in asdict(schedule).items()}


def started_json(job_id: int, **values: Any) -> dict[str, Any]:
    """Return a job that was started just now; `values` replace those of a job whose file is being checked."""
    return {**STARTED, "id": serialize_id(job_id), **values}


def accepted(response: Response) -> Response:
    """Turn the answer that has the id of a job, as `id` or `job`, into 202 with its address; and wake a worker."""
    response.status_code = 202
    body = response.get_json()
    response.headers["Location"] = url_for("api.read_job", job_id=int(body.get("job") or body["id"]))
    background.notify_workers()
    return response
