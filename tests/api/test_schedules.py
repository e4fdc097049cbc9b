"""Jobs that are applied at one moment and reverted at another."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access.api_tokens import create_token
from app.core.changes.document_ids import rename_customer
from app.core.changes.profiles import upsert_customers
from app.core.counts.recount import recount
from app.core.database import db, now, run_in_transaction
from app.jobs import batches, reverts, schedules
from app.jobs.batches import JobBatch
from app.jobs.jobs import Job
from app.jobs.uploads import RETENTION, delete_expired_uploads
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Api, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.imports import all_profiles, run_job
from tests.support.schedules import XMAS, job_states, let_pass, moment, rfc_3339, run_all, submit

REGION = [{"type": "region", "value": "NORTH"}]


def read(api: Api, job_id: str) -> dict[str, Any]:
    answer = api.get(f"/api/v3/jobs/{job_id}").json
    assert isinstance(answer, dict)
    return answer


def move(api: Api, job_id: str, status: int = 200, code: str | None = None, **moments: Any) -> dict[str, Any]:
    times = {name: rfc_3339(moment(at)) if isinstance(at, int | float) else at for name, at in moments.items()}
    answer = api.call("PATCH", f"/api/v3/jobs/{job_id}", json=times, status=status, code=code).json
    assert isinstance(answer, dict)
    return answer


def details(answer: dict[str, Any]) -> dict[str, str]:
    return {problem["path"]: problem["message"] for problem in answer["error"]["details"]}


def test_job_is_applied_and_reverted_at_its_moments_and_later_changes_stay(api: Api) -> None:
    add_customers(*"abcdefg")
    set_segments("a", GOLD)
    apply_at = rfc_3339(moment(2))
    job = submit(api, apply_at=apply_at, revert_at=10)
    assert (job["state"], job["apply_at"]) == ("checking", apply_at)
    assert run_all() == 1
    job = read(api, job["id"])
    assert (job["state"], job["report"], job["revertJob"]) == ("scheduled", None, None)
    assert run_all() == 0
    assert all_segments()["b"] == []
    let_pass(3)
    assert run_all() == 1
    job = read(api, job["id"])
    assert (job["state"], job["report"]["changed"]) == ("done", 5)
    assert all_segments() == {"a": GOLD + XMAS, **dict.fromkeys("bcde", XMAS), "f": [], "g": []}
    set_segments("b", XMAS + GOLD)
    set_segments("c", [])
    set_segments("f", XMAS)
    assert run_all() == 0
    revert = read(api, job["revertJob"])
    assert (revert["state"], revert["apply_at"]) == ("scheduled", job["revert_at"])
    let_pass(8)
    assert run_all() == 2
    revert = read(api, job["revertJob"])
    assert (revert["state"], revert["report"]["changed"]) == ("done", 4)
    reverted = api.get(f"/api/v3/change-sets/{revert['changeSet']}").json
    assert reverted["reverts"] == job["changeSet"]
    assert all_segments() == {"a": GOLD, "b": GOLD, "c": [], "d": [], "e": [], "f": XMAS, "g": []}
    assert recount(TESTER) == []


def test_revert_alone_can_be_scheduled(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=5)
    assert run_all() == 2
    assert all_segments()["a"] == XMAS
    let_pass(6)
    assert run_all() == 2
    assert all_segments()["a"] == []
    assert read(api, job["id"])["state"] == "done"


def test_job_whose_moments_both_passed_is_not_applied_and_says_so(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=10)
    run_all()
    let_pass(11)
    run_all()
    job = read(api, job["id"])
    assert (job["state"], job["changeSet"], job["revertJob"]) == ("failed", None, None)
    assert "have both passed before it could be applied. Nothing was applied." in job["error"]
    assert set(map(str, all_segments().values())) == {"[]"}


def test_missed_moment_is_caught_up_while_the_other_is_ahead(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=2000)
    run_all()
    let_pass(1900)
    run_all()
    assert all_segments()["a"] == XMAS
    let_pass(1900)
    run_all()
    assert all_segments()["a"] == []
    assert read(api, read(api, job["id"])["revertJob"])["state"] == "done"


# Only where the preview holds


def test_only_customers_for_whom_the_preview_holds_are_changed(api: Api) -> None:
    add_customers(*"abcd")
    set_segments("b", XMAS)
    job = submit(api, apply_at=2)
    run_all()
    set_segments("a", GOLD)  # another pair: the preview holds
    set_segments("b", [])  # had the pair, which was no effect of the job
    set_segments("c", XMAS)  # has it already
    add_customers("e")  # did not exist
    let_pass(3)
    run_all()
    report = read(api, job["id"])["report"]
    assert all_segments() == {"a": GOLD + XMAS, "b": [], "c": XMAS, "d": XMAS, "e": []}
    assert (report["changed"], report["unchanged"], report["stale"]) == (2, 1, ["b", "e"])


def test_removal_holds_for_those_who_still_have_the_pair(api: Api) -> None:
    add_customers(*"abc")
    for id_ in "ab":
        set_segments(id_, XMAS)
    submit(api, "remove", apply_at=2)
    run_all()
    set_segments("a", GOLD + XMAS)
    set_segments("c", XMAS)
    let_pass(3)
    run_all()
    assert all_segments() == {"a": GOLD, "b": [], "c": XMAS}


@pytest.mark.parametrize(("types", "a", "b"), [({}, GOLD + REGION, XMAS), ({"types": "campaign"}, XMAS + REGION, XMAS)])
def test_replacement_holds_for_unchanged_segments_of_its_types(api: Api, types: Any, a: Any, b: Any) -> None:
    add_customers(*"abc")
    set_segments("a", XMAS)
    submit(api, "replace", {id_: {"segments": XMAS} for id_ in "abc"}, apply_at=2, **types)
    run_all()
    set_segments("a", GOLD + REGION if not types else REGION + XMAS)
    set_segments("c", [{"type": "campaign", "value": "EASTER"}])
    let_pass(3)
    run_all()
    assert all_segments()["c"] == [{"type": "campaign", "value": "EASTER"}]
    assert all_segments()["b"] == b
    assert sorted(map(str, all_segments()["a"])) == sorted(map(str, a))


def test_profiles_are_saved_where_they_are_as_previewed(api: Api) -> None:
    add_customers("a", "b", name="Old")
    rows = {id_: {"name": "New"} for id_ in "abc"}
    job = submit(api, "upsert", rows, apply_at=2, revert_at=10)
    run_all()
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "b", "name": "Other"}]))
    let_pass(3)
    run_all()
    assert {id_: row[0] for id_, row in all_profiles().items()} == {"a": "New", "b": "Other", "c": "New"}
    let_pass(8)
    run_all()
    assert {id_: row[0] for id_, row in all_profiles().items()} == {"a": "Old", "b": "Other"}
    assert read(api, job["id"])["report"]["created"] == 1


def test_renamed_customers_are_reverted_by_their_number(api: Api) -> None:
    add_customers("a")
    submit(api, rows={"a": {"segments": XMAS}}, revert_at=2)
    run_all()
    rename_customer("a", "z", TESTER)
    let_pass(3)
    run_all()
    assert all_segments() == {"z": []}


# Moved and cancelled


def test_moments_are_moved_before_and_after_application(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=10)
    run_all()
    later = rfc_3339(moment(5))
    assert move(api, job["id"], apply_at=later)["apply_at"] == later
    let_pass(3)
    assert run_all() == 0
    let_pass(3)
    assert run_all() == 1
    later = rfc_3339(moment(20))
    job = move(api, job["id"], revert_at=later)
    assert job["revert_at"] == later == read(api, job["revertJob"])["apply_at"]
    let_pass(10)
    assert run_all() == 0
    let_pass(11)
    assert run_all() == 2
    move(api, job["id"], status=409, code="JOB_NOT_READY", revert_at=20)
    assert all_segments()["a"] == []


def test_revert_is_removed_and_given_again_after_application(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=10)
    run_all()
    first = read(api, job["id"])["revertJob"]
    assert move(api, job["id"], revert_at=None)["revert_at"] is None
    let_pass(11)
    assert run_all() == 0
    assert read(api, first)["state"] == "cancelled"
    second = move(api, job["id"], revert_at=3)["revertJob"]
    assert second != first
    let_pass(4)
    assert run_all() == 2
    assert all_segments()["a"] == []
    assert read(api, second)["state"] == "done"


def test_applied_job_without_a_revert_gets_one(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api)
    run_all()
    assert move(api, job["id"], revert_at=3)["revertJob"]
    let_pass(4)
    run_all()
    assert all_segments()["a"] == []


def test_cancelled_schedules_change_nothing(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=10)
    assert api.call("DELETE", f"/api/v3/jobs/{submit(api, apply_at=2)['id']}").json["state"] == "cancelled"
    run_all()
    cancelled = api.call("DELETE", f"/api/v3/jobs/{job['id']}").json
    assert (cancelled["state"], cancelled["apply_at"], cancelled["revert_at"]) == ("cancelled", None, None)
    let_pass(20)
    assert run_all() == 0
    assert all_segments()["a"] == []
    move(api, job["id"], status=409, code="JOB_NOT_READY", apply_at=2)


def test_cancelled_revert_leaves_what_was_applied(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=10)
    run_all()
    api.call("DELETE", f"/api/v3/jobs/{read(api, job['id'])['revertJob']}")
    assert read(api, job["id"])["revert_at"] is None
    let_pass(20)
    assert run_all() == 0
    assert all_segments()["a"] == XMAS


# Refused


@pytest.mark.parametrize(
    ("moments", "paths"),
    [
        ({"apply_at": -0.1}, {"apply_at": "Must not be in the past."}),
        ({"revert_at": -0.1}, {"revert_at": "Must not be in the past."}),
        ({"apply_at": 2, "revert_at": 1}, {"revert_at": "Must be later than the moment at which it is applied."}),
        ({"apply_at": 2, "dry_run": "true"}, {"apply_at": "Is not supported with dry_run."}),
        ({"revert_at": 2, "dry_run": "true"}, {"revert_at": "Is not supported with dry_run."}),
        ({"apply_at": "tomorrow"}, {"apply_at": "Must be an RFC 3339 time such as 2026-11-23T08:00:00Z."}),
    ],
)
def test_impossible_moments_are_refused(api: Api, moments: dict[str, Any], paths: dict[str, str]) -> None:
    assert details(submit(api, status=400, **moments)) == paths
    assert job_states() == []


def test_moment_that_passed_less_than_a_minute_ago_is_now(api: Api) -> None:
    add_customers(*"abcde")
    submit(api, apply_at=-0.01)
    assert run_all() == 2
    assert all_segments()["a"] == XMAS


@pytest.mark.parametrize(
    "moments", [{"apply_at": -1}, {"apply_at": None}, {"apply_at": 12}, {"revert_at": 1}, {"revert_at": "soon"}]
)
def test_impossible_moves_are_refused(api: Api, moments: dict[str, Any]) -> None:
    job = submit(api, apply_at=2, revert_at=10)
    run_all()
    move(api, job["id"], status=400, code="VALIDATION_ERROR", **moments)
    assert read(api, job["id"])["apply_at"] == job["apply_at"]


def test_repeated_request_is_answered_when_its_moment_has_passed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {"headers": {"Content-Type": "application/x-ndjson", "Idempotency-Key": "xmas"}}
    url, body = f"/api/v3/jobs?action=merge&apply_at={rfc_3339(moment(-1))}", b'{"document_id": "a", "segments": []}'
    with monkeypatch.context() as earlier:
        earlier.setattr(schedules, "MAX_CLOCK_SKEW", timedelta(hours=2))
        first = api.call("POST", url, data=body, status=202, **sent)
    repeated = api.call("POST", url, data=body, status=202, **sent)
    assert repeated.json == first.json
    sent["headers"]["Idempotency-Key"] = "another"
    api.call("POST", url, data=body, status=400, code="VALIDATION_ERROR", **sent)


def test_revert_after_the_history_is_deleted_is_refused(app: Flask, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "HISTORY_RETENTION_DAYS", 30)
    late = details(submit(api, status=400, apply_at=24, revert_at=32 * 24))
    assert late == {"revert_at": "Must be within 30 days after it is applied: history is kept for so long."}
    submit(api, apply_at=24 * 100, revert_at=24 * 120)


# What can happen in between


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
    run_all()
    let_pass(3)
    for batch in (1, 3, 2):
        kill_in_batch(batch, monkeypatch)
    run_all()
    applied = {id_: segments + XMAS for id_, segments in before.items()}
    assert all_segments() == applied
    edited = dict.fromkeys(ids[5:100:7], SILVER + XMAS) | {id_: [] for id_ in ids[100:200:9]}
    for id_, segments in edited.items():
        set_segments(id_, segments)
    let_pass(8)
    assert run_job()  # the preview of the revert
    for batch in (1, 2, 4):
        kill_in_batch(batch, monkeypatch)
    run_all()
    assert all_segments() == before | {id_: [s for s in after if s not in XMAS] for id_, after in edited.items()}
    assert read(api, read(api, job["id"])["revertJob"])["state"] == "done"
    assert job_states() == [("api", "done"), ("revert", "done")]
    assert recount(TESTER) == []


def test_stopped_job_is_reverted_as_far_as_it_was_applied_and_is_not_continued(
    api: Api, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    ids = [f"{n:03}" for n in range(200)]
    add_customers(*ids)
    job = submit(api, rows={id_: {"segments": XMAS} for id_ in ids}, revert_at=10)
    assert run_job()
    kill_in_batch(3, monkeypatch)
    let_pass(11)  # while it is being applied
    assert api.call("DELETE", f"/api/v3/jobs/{job['id']}").json["state"] == "applying"
    assert run_all() == 3
    job = read(api, job["id"])
    assert (job["state"], job["done"]) == ("cancelled", 100)
    assert set(map(str, all_segments().values())) == {"[]"}
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
    run_all()
    assert all_segments() == dict.fromkeys((id_ for id_ in ids if id_ != "200"), XMAS)
    assert read(api, job["id"])["state"] == "done"


def test_change_set_that_is_reverted_by_hand_has_nothing_left_to_revert(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=10)
    run_all()
    api.call("POST", f"/api/v3/change-sets/{read(api, job['id'])['changeSet']}/revert")
    let_pass(11)
    run_all()
    revert = read(api, read(api, job["id"])["revertJob"])
    assert (revert["state"], revert["changeSet"]) == ("done", None)
    assert all_segments()["a"] == []


def test_batches_of_a_scheduled_job_are_kept(api: Api) -> None:
    add_customers(*"abcde")
    submit(api, apply_at=24 * 90)
    run_all()
    db.session.execute(update(Job).values(created_at=now() - RETENTION - timedelta(days=60)))
    db.session.commit()
    delete_expired_uploads()
    let_pass(24 * 91)
    run_all()
    assert all_segments()["a"] == XMAS


def test_erased_customers_are_in_no_batch_and_no_range(app: Flask, api: Api) -> None:
    add_customers("anna", "berta")
    submit(api, rows={id_: {"segments": XMAS} for id_ in ("anna", "berta")}, apply_at=2)
    run_all()
    api_with(app, create_token("eraser", scopes=["customers:erase"])).call("DELETE", "/api/v3/customers/anna")
    db.session.rollback()
    assert db.session.execute(select(JobBatch.first_id, JobBatch.last_id)).one() == ("berta", "berta")
    let_pass(3)
    run_all()
    assert all_segments() == {"berta": XMAS}


def test_moments_are_those_of_the_database_clock(api: Api) -> None:
    """A machine whose clock is wrong applies nothing too early."""
    add_customers(*"abcde")
    job = submit(api, apply_at=2)
    assert datetime.fromisoformat(job["apply_at"]) > now()
    run_all()
    assert job_states() == [("api", "scheduled")]
