"""Jobs of API clients."""

import json
import threading
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import background
from app.core.database import now, run_in_transaction
from app.jobs import apply_job, runner
from app.jobs.api_job import ApiJob
from app.jobs.jobs import Job
from app.jobs.states import JobKind, JobState
from tests.support.clients import Api
from tests.support.imports import expire_leases, run_job


def lines(**segments: Any) -> bytes:
    return b"\n".join(json.dumps({"document_id": id_, "segments": value}).encode() for id_, value in segments.items())


def submit(
    api: Api,
    body: bytes,
    query: str = "action=replace",
    *,
    media_type: str = "application/x-ndjson",
    status: int = 202,
    code: str | None = None,
    **headers: str,
) -> TestResponse:
    sent = {"Content-Type": media_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return api.call("POST", f"/api/v3/jobs?{query}", data=body, headers=sent, status=status, code=code)


def run(api: Api, body: bytes, query: str = "action=replace", **options: str) -> dict[str, Any]:
    return finish_job(api, submit(api, body, query, **options))


def finish_job(api: Api, response: TestResponse) -> dict[str, Any]:
    """Run the job of a 202 to its end, and return it as the API shows it."""
    while run_job():
        pass
    job: Any = api.get(response.headers["Location"]).json
    assert isinstance(job, dict)
    return job


def add_applying_job(job_id: int) -> None:
    """Store a job of an API client that has applied its first batch, and that no worker holds."""

    def add(session: Session) -> None:
        session.add(
            Job(
                id=job_id,
                kind=JobKind.API,
                state=JobState.APPLYING,
                created_by="token crm",
                actor="token crm",
                source="api",
                created_at=now(),
                payload=ApiJob("replace").to_dict(),
                preview={},
                result={"changed": 1, "unchanged": 0},
                done=1,
                total=2,
                batches_done=1,
            )
        )

        if session.get_bind().dialect.name == "postgresql":  # so that the next job does not get this id
            session.execute(text("SELECT setval(pg_get_serial_sequence('jobs', 'id'), :id)"), {"id": job_id})

    run_in_transaction(add)


class Killed(BaseException):
    """Stands for SIGKILL: nothing runs after it."""


def kill_in_batch(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply the next job, and kill its worker when it has written this batch and has not committed it."""
    real, written = apply_job.store_skipped, []

    def die(*args: Any) -> None:
        written.append(1)
        if len(written) == number:
            raise Killed
        real(*args)

    monkeypatch.setattr(apply_job, "store_skipped", die)
    claimed = runner._claim(threading.Event())
    assert claimed is not None
    with pytest.raises(Killed):
        background.HANDLERS[claimed.job.kind, claimed.job.state](claimed)
    monkeypatch.setattr(apply_job, "store_skipped", real)
    expire_leases()
