"""Scheduled jobs of clients and operators, and time that passes for them."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import select, update

from app.core.database import db, now
from app.jobs.jobs import Job
from app.jobs.states import JobKind
from tests.support.clients import Api
from tests.support.html_client import HtmlClient
from tests.support.imports import run_jobs

XMAS = [{"type": "campaign", "value": "XMAS"}]
EDIT = {"base": "[]", "version": "", "operation": "add", "confirmed": "yes", "original_index": "", **XMAS[0]}
"""The form of a bulk edit that adds XMAS."""


def moment(hours: float) -> datetime:
    """Return the time so many hours from now, in whole seconds."""
    return (now() + timedelta(hours=hours)).replace(microsecond=0)


def rfc_3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def let_pass(hours: float) -> None:
    """Let time pass for all jobs, as if the database's clock went on."""
    db.session.rollback()
    for id_, apply_at, revert_at in db.session.execute(select(Job.id, Job.apply_at, Job.revert_at)).all():
        moments = {"apply_at": apply_at, "revert_at": revert_at}
        earlier = {name: at and at - timedelta(hours=hours) for name, at in moments.items()}
        db.session.execute(update(Job).where(Job.id == id_).values(earlier))
    db.session.commit()


def job_states() -> list[tuple[str, str]]:
    """Return the kind and state of each job."""
    db.session.rollback()
    return [
        (kind.value, state.value) for kind, state in db.session.execute(select(Job.kind, Job.state).order_by(Job.id))
    ]


def last_job(kind: JobKind) -> Job:
    db.session.rollback()
    return db.session.scalars(select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(1)).one()


def submit(api: Api, action: str = "merge", rows: Any = None, status: int = 202, **moments: Any) -> dict[str, Any]:
    """Send a job for the customers a to e, or for these rows; moments are given in hours from now."""
    rows = rows or {id_: {"segments": XMAS} for id_ in "abcde"}
    body = "\n".join(json.dumps({"document_id": id_, **row}) for id_, row in rows.items())
    times = {name: rfc_3339(moment(at)) if isinstance(at, int | float) else at for name, at in moments.items()}
    query = "&".join(f"{name}={quote(at)}" for name, at in ({"action": action} | times).items())
    headers = {"Content-Type": "application/x-ndjson"}
    code = "VALIDATION_ERROR" if status == 400 else None
    answer = api.call("POST", f"/api/v3/jobs?{query}", data=body, headers=headers, status=status, code=code).json
    assert isinstance(answer, dict)
    return answer


def read_job(api: Api, job_id: str) -> dict[str, Any]:
    answer = api.get(f"/api/v3/jobs/{job_id}").json
    assert isinstance(answer, dict)
    return answer


def prepare(editor: HtmlClient, *document_ids: str) -> tuple[str, str]:
    """Preview a campaign for customers; return the URLs of the bulk edit and of its schedule."""
    editor.client.set_cookie("time_zone", "Europe/Madrid")
    url = editor.post("/bulk-edits", [*EDIT.items(), *(("document_id", id_) for id_ in document_ids)]).headers[
        "Location"
    ]
    run_jobs()
    return url, editor.get(url).links["Schedule…"]
