"""Jobs that are applied at one moment and reverted at another."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.core.changes.document_ids import rename_customer
from app.core.changes.profiles import upsert_customers
from app.core.counts.recount import recount
from app.core.database import run_in_transaction
from app.jobs import schedules
from tests.support.clients import Api
from tests.support.customers import GOLD, TESTER, add_customers, all_segments, set_segments
from tests.support.imports import all_profiles, run_jobs
from tests.support.schedules import XMAS, job_states, let_pass, moment, read_job, rfc_3339, submit

REGION = [{"type": "region", "value": "NORTH"}]


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
    assert run_jobs() == 1
    job = read_job(api, job["id"])
    assert (job["state"], job["report"], job["revertJob"]) == ("scheduled", None, None)
    assert run_jobs() == 0
    assert all_segments()["b"] == []
    let_pass(3)
    assert run_jobs() == 1
    job = read_job(api, job["id"])
    assert (job["state"], job["report"]["changed"]) == ("done", 5)
    assert all_segments() == {"a": GOLD + XMAS, **dict.fromkeys("bcde", XMAS), "f": [], "g": []}
    set_segments("b", XMAS + GOLD)
    set_segments("c", [])
    set_segments("f", XMAS)
    assert run_jobs() == 0
    revert = read_job(api, job["revertJob"])
    assert (revert["state"], revert["apply_at"]) == ("scheduled", job["revert_at"])
    let_pass(8)
    assert run_jobs() == 2
    revert = read_job(api, job["revertJob"])
    assert (revert["state"], revert["report"]["changed"]) == ("done", 4)
    reverted = api.get(f"/api/v3/change-sets/{revert['changeSet']}").json
    assert reverted["reverts"] == job["changeSet"]
    assert all_segments() == {"a": GOLD, "b": GOLD, "c": [], "d": [], "e": [], "f": XMAS, "g": []}
    assert recount(TESTER) == []


def test_revert_alone_can_be_scheduled(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=5)
    assert run_jobs() == 2
    assert all_segments()["a"] == XMAS
    let_pass(6)
    assert run_jobs() == 2
    assert all_segments()["a"] == []
    assert read_job(api, job["id"])["state"] == "done"


def test_job_whose_moments_both_passed_fails_without_being_applied(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=10)
    run_jobs()
    let_pass(11)
    run_jobs()
    job = read_job(api, job["id"])
    assert (job["state"], job["changeSet"], job["revertJob"]) == ("failed", None, None)
    assert "have both passed before it could be applied. Nothing was applied." in job["error"]
    assert set(map(str, all_segments().values())) == {"[]"}


def test_missed_moment_is_caught_up_while_the_other_is_ahead(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=2000)
    run_jobs()
    let_pass(1900)
    run_jobs()
    assert all_segments()["a"] == XMAS
    let_pass(1900)
    run_jobs()
    assert all_segments()["a"] == []
    assert read_job(api, read_job(api, job["id"])["revertJob"])["state"] == "done"


# Only where the preview holds


def test_only_customers_for_whom_the_preview_holds_are_changed(api: Api) -> None:
    add_customers(*"abcd")
    set_segments("b", XMAS)
    job = submit(api, apply_at=2)
    run_jobs()
    set_segments("a", GOLD)  # another pair: the preview holds
    set_segments("b", [])  # had the pair, which was no effect of the job
    set_segments("c", XMAS)  # has it already
    add_customers("e")  # did not exist
    let_pass(3)
    run_jobs()
    report = read_job(api, job["id"])["report"]
    assert all_segments() == {"a": GOLD + XMAS, "b": [], "c": XMAS, "d": XMAS, "e": []}
    assert (report["changed"], report["unchanged"], report["stale"]) == (2, 1, ["b", "e"])


def test_removal_holds_for_those_who_still_have_the_pair(api: Api) -> None:
    add_customers(*"abc")
    for id_ in "ab":
        set_segments(id_, XMAS)
    submit(api, "remove", apply_at=2)
    run_jobs()
    set_segments("a", GOLD + XMAS)
    set_segments("c", XMAS)
    let_pass(3)
    run_jobs()
    assert all_segments() == {"a": GOLD, "b": [], "c": XMAS}


@pytest.mark.parametrize(("types", "a", "b"), [({}, GOLD + REGION, XMAS), ({"types": "campaign"}, XMAS + REGION, XMAS)])
def test_replacement_holds_for_unchanged_segments_of_its_types(api: Api, types: Any, a: Any, b: Any) -> None:
    add_customers(*"abc")
    set_segments("a", XMAS)
    submit(api, "replace", {id_: {"segments": XMAS} for id_ in "abc"}, apply_at=2, **types)
    run_jobs()
    set_segments("a", GOLD + REGION if not types else REGION + XMAS)
    set_segments("c", [{"type": "campaign", "value": "EASTER"}])
    let_pass(3)
    run_jobs()
    assert all_segments()["c"] == [{"type": "campaign", "value": "EASTER"}]
    assert all_segments()["b"] == b
    assert sorted(map(str, all_segments()["a"])) == sorted(map(str, a))


def test_profiles_are_saved_where_they_are_as_previewed(api: Api) -> None:
    add_customers("a", "b", name="Old")
    rows = {id_: {"name": "New"} for id_ in "abc"}
    job = submit(api, "upsert", rows, apply_at=2, revert_at=10)
    run_jobs()
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "b", "name": "Other"}]))
    let_pass(3)
    run_jobs()
    assert {id_: row[0] for id_, row in all_profiles().items()} == {"a": "New", "b": "Other", "c": "New"}
    let_pass(8)
    run_jobs()
    assert {id_: row[0] for id_, row in all_profiles().items()} == {"a": "Old", "b": "Other"}
    assert read_job(api, job["id"])["report"]["created"] == 1


def test_renamed_customers_are_reverted_by_their_number(api: Api) -> None:
    add_customers("a")
    submit(api, rows={"a": {"segments": XMAS}}, revert_at=2)
    run_jobs()
    rename_customer("a", "z", TESTER)
    let_pass(3)
    run_jobs()
    assert all_segments() == {"z": []}


# Moved and cancelled


def test_moments_are_moved_before_and_after_application(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=10)
    run_jobs()
    later = rfc_3339(moment(5))
    assert move(api, job["id"], apply_at=later)["apply_at"] == later
    let_pass(3)
    assert run_jobs() == 0
    let_pass(3)
    assert run_jobs() == 1
    later = rfc_3339(moment(20))
    job = move(api, job["id"], revert_at=later)
    assert job["revert_at"] == later == read_job(api, job["revertJob"])["apply_at"]
    let_pass(10)
    assert run_jobs() == 0
    let_pass(11)
    assert run_jobs() == 2
    move(api, job["id"], status=409, code="JOB_NOT_READY", revert_at=20)
    assert all_segments()["a"] == []


def test_revert_is_removed_and_given_again_after_application(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=10)
    run_jobs()
    first = read_job(api, job["id"])["revertJob"]
    assert move(api, job["id"], revert_at=None)["revert_at"] is None
    let_pass(11)
    assert run_jobs() == 0
    assert read_job(api, first)["state"] == "cancelled"
    second = move(api, job["id"], revert_at=3)["revertJob"]
    assert second != first
    let_pass(4)
    assert run_jobs() == 2
    assert all_segments()["a"] == []
    assert read_job(api, second)["state"] == "done"


def test_applied_job_without_a_revert_gets_one(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api)
    run_jobs()
    assert move(api, job["id"], revert_at=3)["revertJob"]
    let_pass(4)
    run_jobs()
    assert all_segments()["a"] == []


def test_cancelled_schedules_change_nothing(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, apply_at=2, revert_at=10)
    assert api.call("DELETE", f"/api/v3/jobs/{submit(api, apply_at=2)['id']}").json["state"] == "cancelled"
    run_jobs()
    cancelled = api.call("DELETE", f"/api/v3/jobs/{job['id']}").json
    assert (cancelled["state"], cancelled["apply_at"], cancelled["revert_at"]) == ("cancelled", None, None)
    let_pass(20)
    assert run_jobs() == 0
    assert all_segments()["a"] == []
    move(api, job["id"], status=409, code="JOB_NOT_READY", apply_at=2)


def test_cancelled_revert_leaves_what_was_applied(api: Api) -> None:
    add_customers(*"abcde")
    job = submit(api, revert_at=10)
    run_jobs()
    api.call("DELETE", f"/api/v3/jobs/{read_job(api, job['id'])['revertJob']}")
    assert read_job(api, job["id"])["revert_at"] is None
    let_pass(20)
    assert run_jobs() == 0
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
    assert run_jobs() == 2
    assert all_segments()["a"] == XMAS


@pytest.mark.parametrize(
    "moments", [{"apply_at": -1}, {"apply_at": None}, {"apply_at": 12}, {"revert_at": 1}, {"revert_at": "soon"}]
)
def test_impossible_moves_are_refused(api: Api, moments: dict[str, Any]) -> None:
    job = submit(api, apply_at=2, revert_at=10)
    run_jobs()
    move(api, job["id"], status=400, code="VALIDATION_ERROR", **moments)
    assert read_job(api, job["id"])["apply_at"] == job["apply_at"]


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
