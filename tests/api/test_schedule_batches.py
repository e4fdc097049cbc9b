"""Scheduled jobs of several batches: killed, stopped, and while customers are edited or erased."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access.api_tokens import create_token
from app.core.counts.recount import recount
from app.core.database import db, now
from app.jobs import batches, reverts
from app.jobs.batches import JobBatch
from app.jobs.jobs import Job
from app.jobs.uploads import RETENTION, delete_expired_uploads
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Api, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.imports import run_job, run_jobs
from tests.support.schedules import XMAS, job_states, let_pass, moment, read_job, rfc_3339, submit


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (batches, reverts):
        monkeypatch.setattr(module, "BATCH_SIZE", 50)


def test_killed_workers_and_edits_in_between_leave_exactly_the_edits(
    api: Api, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    ids = [f"{n:03}" for n in range(300)]
    add_customers(*ids)
    for id_ in ids[::10]:
        set_segments(id_, GOLD)
    before = all_segments()
    job = submit(api, rows={id_: {"segments": XMAS} for id_ in ids}, apply_at=2, revert_at=10)
    run_jobs()
    let_pass(3)
    for batch in (1, 3, 2):
        kill_in_batch(batch, monkeypatch)
    run_jobs()
    applied = {id_: segments + XMAS for id_, segments in before.items()}
    assert all_segments() == applied
    edited = dict.fromkeys(ids[5:100:7], SILVER + XMAS) | {id_: [] for id_ in ids[100:200:9]}
    for id_, segments in edited.items():
        set_segments(id_, segments)
    let_pass(8)
    assert run_job()  # the preview of the revert
    for batch in (1, 2, 4):
        kill_in_batch(batch, monkeypatch)
    run_jobs()
    assert all_segments() == before | {id_: [s for s in after if s not in XMAS] for id_, after in edited.items()}
    assert read_job(api, read_job(api, job["id"])["revertJob"])["state"] == "done"
    assert job_states() == [("api", "done"), ("revert", "done")]
    assert recount(TESTER) == []


def start_killed_job(api: Api, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], dict[str, Any]]:
    """Return the customers and the job of a campaign of 10 seconds whose worker was killed in its third batch."""
    ids = [f"{n:03}" for n in range(200)]
    add_customers(*ids)
    job = submit(api, rows={id_: {"segments": XMAS} for id_ in ids}, revert_at=10)
    assert run_job()
    kill_in_batch(3, monkeypatch)
    return ids, job


def test_stopped_job_is_reverted_as_far_as_it_was_applied_and_is_not_continued(
    api: Api, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    _, job = start_killed_job(api, monkeypatch)
    let_pass(11)  # while it is being applied
    assert api.call("DELETE", f"/api/v3/jobs/{job['id']}").json["state"] == "applying"
    assert run_jobs() == 3
    job = read_job(api, job["id"])
    assert (job["state"], job["done"]) == ("cancelled", 100)
    assert set(map(str, all_segments().values())) == {"[]"}
    assert recount(TESTER) == []


def test_a_revert_that_is_moved_while_the_job_is_applied_waits_for_the_new_moment(
    api: Api, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    ids, job = start_killed_job(api, monkeypatch)
    assert read_job(api, job["id"])["state"] == "applying"
    times = {"revert_at": rfc_3339(moment(30))}
    assert api.call("PATCH", f"/api/v3/jobs/{job['id']}", json=times).json["revert_at"] == times["revert_at"]
    let_pass(11)
    run_jobs()
    assert all_segments() == dict.fromkeys(ids, XMAS)
    let_pass(20)
    run_jobs()
    assert all_segments() == {id_: [] for id_ in ids}
    assert recount(TESTER) == []


def test_erasure_between_two_batches_ends_no_job_early(
    app: Flask, api: Api, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    ids = [f"{n:03}" for n in range(250)]
    add_customers(*ids)
    job = submit(api, rows={id_: {"segments": XMAS} for id_ in ids})
    assert run_job()
    kill_in_batch(3, monkeypatch)
    api_with(app, create_token("eraser", scopes=["customers:erase"])).call("DELETE", "/api/v3/customers/200")
    run_jobs()
    assert all_segments() == dict.fromkeys((id_ for id_ in ids if id_ != "200"), XMAS)
    assert read_job(api, job["id"])["state"] == "done"


def test_change_set_that_is_reverted_by_hand_has_nothing_left_to_revert(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=10)
    run_jobs()
    api.call("POST", f"/api/v3/change-sets/{read_job(api, job['id'])['changeSet']}/revert")
    let_pass(11)
    run_jobs()
    revert = read_job(api, read_job(api, job["id"])["revertJob"])
    assert (revert["state"], revert["changeSet"]) == ("done", None)
    assert all_segments()["a"] == []


def test_batches_of_a_scheduled_job_are_kept(api: Api) -> None:
    add_customers(*"abcde")
    submit(api, apply_at=24 * 90)
    run_jobs()
    db.session.execute(update(Job).values(created_at=now() - RETENTION - timedelta(days=60)))
    db.session.commit()
    delete_expired_uploads()
    let_pass(24 * 91)
    run_jobs()
    assert all_segments()["a"] == XMAS


def test_erased_customers_are_in_no_batch_and_no_range(app: Flask, api: Api) -> None:
    add_customers("anna", "berta")
    submit(api, rows={id_: {"segments": XMAS} for id_ in ("anna", "berta")}, apply_at=2)
    run_jobs()
    api_with(app, create_token("eraser", scopes=["customers:erase"])).call("DELETE", "/api/v3/customers/anna")
    db.session.rollback()
    assert db.session.execute(select(JobBatch.first_id, JobBatch.last_id)).one() == ("berta", "berta")
    let_pass(3)
    run_jobs()
    assert all_segments() == {"berta": XMAS}


def test_moments_are_those_of_the_database_clock(api: Api) -> None:
    """A machine whose clock is wrong applies nothing too early."""
    add_customers(*"abcde")
    job = submit(api, apply_at=2)
    assert datetime.fromisoformat(job["apply_at"]) > now()
    run_jobs()
    assert job_states() == [("api", "scheduled")]
