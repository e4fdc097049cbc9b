"""Customers who are erased while a job that skips them is being applied: contract §8."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core.changes.erasure import erase_customers
from app.core.database import now, run_in_transaction
from app.jobs import api_jobs, apply_job
from app.jobs.api_job import ApiJob
from app.jobs.apply_job import BatchResult
from app.jobs.batches import insert_batches, iter_skipped
from app.jobs.jobs import insert_job
from app.jobs.states import JobKind, JobState
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.imports import last_result, run_job
from tests.support.waiting import await_lock_or_end

pytestmark = pytest.mark.parametrize("app", ["postgresql"], indirect=True)  # SQLite has one writer at a time


@pytest.fixture
def job_id(app: Flask) -> int:
    """A job that skips two customers, who were changed after its moment."""
    add_customers("ana", "other")
    moment = now()
    for document_id in ("ana", "other"):
        set_segments(document_id, SILVER)

    def add(session: Session) -> int:
        payload = ApiJob.of("replace", as_of=moment).to_dict()
        job_id = insert_job(session, JobKind.API, TESTER, payload, JobState.APPLYING)
        insert_batches(session, job_id, [("ana", GOLD), ("other", GOLD)])
        return job_id

    return run_in_transaction(add)


def erase_in_a_thread(app: Flask) -> threading.Thread:
    def erase() -> None:
        with app.app_context():
            erase_customers(["ana"], TESTER)

    thread = threading.Thread(target=erase)
    thread.start()
    return thread


def test_who_is_erased_before_the_job_skips_them_is_not_listed(
    app: Flask, job_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = apply_job.BatchResult

    def erase_first(*args: Any) -> BatchResult:
        erase_in_a_thread(app).join()
        return real(*args)

    monkeypatch.setattr(api_jobs, "BatchResult", erase_first)
    assert run_job()
    assert list(iter_skipped(job_id)) == [("other", "stale")]
    assert last_result()["skipped"] == 1


def test_who_is_erased_after_the_job_skipped_them_is_not_listed(
    app: Flask, job_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, threads = apply_job.store_skipped, []

    def erase_before_commit(*args: Any) -> None:
        real(*args)
        threads.append(erase_in_a_thread(app))
        await_lock_or_end(threads[0])

    monkeypatch.setattr(apply_job, "store_skipped", erase_before_commit)
    assert run_job()
    threads[0].join()
    assert list(iter_skipped(job_id)) == [("other", "stale")]
