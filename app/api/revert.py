"""Reverting a change set: in the request if it is one batch, otherwise by a job (contract §3, §8)."""

from typing import Any

from flask import Response
from flask.json import dumps
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.access.token_request_log import CustomerCounts
from app.api import blueprint, token_requests
from app.api.api_blueprint import Success
from app.api.auth import current_client
from app.api.examples import CHANGE_SET_ID, CHANGE_SET_LINKS
from app.api.guarded_writes import HELD, effective_guard, note_warning, run_guarded
from app.api.job_responses import JOB_LINKS, STARTED, JobResponse, accepted, started_json
from app.api.parameters import DryRunQuery
from app.api.schemas import ResponseSchema, change_set_id, count, guard_warning, strings
from app.api.write_headers import GuardedHeaders, RespondAsync
from app.api.writes import run_write
from app.core.changes.guard import ChangeTooLarge, Guard
from app.core.changes.revert import RevertResult, check_ended, revert
from app.core.database import db
from app.core.errors import NotEnded, NotFound
from app.jobs.jobs import insert_job
from app.jobs.revert_job import RevertJob
from app.jobs.reverts import is_one_batch
from app.jobs.states import JobKind, JobState
from app.serialization.change_set_json import serialize_id


class RevertResponse(ResponseSchema):
    changed = count("Customers whose segments or profile were restored.")
    unchanged = count("Customers who were in that state already.")
    conflicts = strings("Customers who changed since, and were left alone.")
    changeSet = change_set_id()  # noqa: N815
    warning = guard_warning()


class RevertHeaders(GuardedHeaders):
    prefer = RespondAsync()


REVERTED = {"changed": 1, "unchanged": 0, "conflicts": [], "changeSet": "43"}


@blueprint.operation(
    "POST",
    "/v3/change-sets/<number:change_set_id>/revert",
    name="revertChangeSet",
    tag="Changes",
    scope="segments:write",
    query=DryRunQuery,
    headers=RevertHeaders,
    path_parameters=(CHANGE_SET_ID,),
    responses=(
        Success(
            RevertResponse,
            "How many customers were restored or in that state already, and who was left alone.",
            REVERTED,
            headers=("Change-Set", "Guard-Warning"),
            links=CHANGE_SET_LINKS,
        ),
        HELD,
        Success(JobResponse, "The job that reverts it.", STARTED, status=202, headers=("Location",), links=JOB_LINKS),
    ),
    errors=(NotFound, NotEnded, ChangeTooLarge, IdempotencyMismatch),
)
def undo(query: dict[str, Any], headers: dict[str, Any], change_set_id: int) -> Response:
    """Revert a change set

    Segments that it added are removed, segments that it removed are added, and later changes of other types stay. A
    customer is left alone, and listed as a conflict, if a later change touched a type that the change set touched.
    Itself a change set. The guard of the token counts customers who lose all their segments. 403 if segments would
    change that are of other types than the token is limited to. 202 and a job for a change set of more than 5,000
    entries, and for any with `Prefer: respond-async`.
    """
    guard = effective_guard(headers)
    dry_run = query["dry_run"]
    check_ended(db.session(), change_set_id)
    if headers["prefer"] or not is_one_batch(change_set_id):
        return _revert_by_job(change_set_id, guard, headers, dry_run=dry_run)

    def work(session: Session) -> StoredResponse:
        result = revert(
            change_set_id,
            current_client().actor(),
            guard=guard,
            types=current_client().types,
            dry_run=dry_run,
            note=headers["change_reason"],
            session=session,
        )
        counts = CustomerCounts(changed=result.customers, unchanged=result.unchanged)
        token_requests.note_counts(counts, dry_run=dry_run)
        warning = note_warning(guard, result.emptied, result.affected, dry_run=dry_run)
        return StoredResponse(dumps({**_report(result), **warning}), result.change_set_id)

    def hold(session: Session) -> int:
        return _start_job(session, change_set_id, guard, headers["change_reason"], dry_run=False)

    return run_guarded(work, headers, dry_run=dry_run, report=_report, hold=hold)


def _revert_by_job(change_set_id: int, guard: Guard | None, headers: dict[str, Any], *, dry_run: bool) -> Response:
    def work(session: Session) -> StoredResponse:
        job_id = _start_job(session, change_set_id, guard, headers["change_reason"], dry_run=dry_run)
        return StoredResponse(dumps(started_json(job_id)), None)

    return accepted(run_write(work, headers))


def _start_job(session: Session, change_set_id: int, guard: Guard | None, reason: str | None, *, dry_run: bool) -> int:
    """Start the job, which checks the guard itself, and is held by it if the token says so; return its id."""
    client = current_client()
    job = RevertJob.of_client(change_set_id, dry_run=dry_run, guard=guard, types=client.types, reason=reason)
    return insert_job(session, JobKind.REVERT, client.actor(), job.to_dict(), JobState.CHECKING)


def _report(result: RevertResult) -> dict[str, Any]:
    return {
        "changed": result.customers,
        "unchanged": result.unchanged,
        "conflicts": result.conflicts,
        "changeSet": serialize_id(result.change_set_id),
    }
