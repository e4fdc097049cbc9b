"""Writes under the guard of a token: refused, held for an operator, or applied with a warning (contract §2, §8)."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Response, g
from flask.json import dumps
from marshmallow import fields
from sqlalchemy.orm import Session

from app.access.idempotency import StoredResponse
from app.api import token_requests
from app.api.api_blueprint import Success
from app.api.auth import current_client
from app.api.job_responses import JOB_LINKS, accepted
from app.api.schemas import ResponseSchema, string
from app.api.writes import run_write
from app.core.changes.guard import ChangeTooLarge, Guard, warning_text
from app.core.database import now
from app.serialization.change_set_json import serialize_id

WARNING_HEADER = "Guard-Warning"
MAX_HELD_ANSWER = 100
"""Bytes; the answers of large requests, which are longer, are not parsed again."""


class HeldChange(ResponseSchema):
    """The change waits until an operator approves it."""

    updatedCustomers = fields.List(  # noqa: N815 - as the contract spells it
        fields.String(), required=True, metadata={"description": "Always empty."}
    )
    job = string("The job that an operator approves or rejects.")


HELD = Success(
    HeldChange,
    "More customers would lose all their segments than the guard of the token allows, and the token says that an "
    "operator decides: the job that waits for approval. Nothing was changed.",
    {"updatedCustomers": [], "job": "7"},
    status=202,
    headers=("Location",),
    links=JOB_LINKS,
)


def effective_guard(headers: Mapping[str, Any]) -> Guard | None:
    """Return the guard of the token, unless the request overrides it; one that holds changes cannot be overridden."""
    guard = current_client().guard
    return None if headers["guard"] and not (guard and guard.holds) else guard


def received_at() -> datetime:
    """Return the moment at which the request arrived."""
    return now() - timedelta(seconds=time.perf_counter() - g.started)


def note_warning(
    guard: Guard | None, emptied: int, sent: int, lost: str = "all their segments", *, dry_run: bool = False
) -> dict[str, str]:
    """Note it in the header, the log and the token's requests if the guard warns; return what the report says of it."""
    if not (guard and guard.warns(emptied, sent)):
        return {}
    g.guard_warning = warning_text(emptied, lost)
    if not dry_run:
        structlog.contextvars.bind_contextvars(guard="warn", emptied=emptied)
        token_requests.note_guard("warn")
    return {"warning": g.guard_warning}


def add_warning(response: Response) -> Response:
    """Add the header with what the guard warns of."""
    if "guard_warning" in g and response.status_code < 400:
        response.headers[WARNING_HEADER] = g.guard_warning
    return response


def run_guarded(
    work: Callable[[Session], StoredResponse],
    headers: Mapping[str, Any],
    *,
    dry_run: bool,
    report: Callable[[Any], dict[str, Any]],
    hold: Callable[[Session], int],
) -> Response:
    """Run a write as `run_write` does; what its guard refuses is held by `hold`, which returns the id of a job.

    Where the token does not say so, and for a dry run, raises ChangeTooLarge with the `report` of its outcome.
    """
    try:
        response = run_write(work, headers, dry_run=dry_run)
    except ChangeTooLarge as error:
        guard = current_client().guard
        if dry_run or not (guard and guard.holds):
            error.extra = {"report": report(error.outcome)}
            raise
        response = run_write(lambda session: _held(hold(session)), headers)
    if len(response.get_data()) <= MAX_HELD_ANSWER and "job" in response.get_json():
        token_requests.note_guard("hold")
        structlog.contextvars.bind_contextvars(guard="hold")
        return accepted(response)
    return response


def _held(job_id: int) -> StoredResponse:
    return StoredResponse(dumps({"updatedCustomers": [], "job": serialize_id(job_id)}), None)
