"""PUT of more members than one transaction may change: a job."""

from typing import Any

import pytest
from flask import Flask

from app.api import members
from app.core.counts.recount import recount
from app.jobs import batches
from tests.support.api_jobs import finish_job, kill_in_batch
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, count_change_sets, set_segments
from tests.support.members import BASIC, URL, put


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two customers in a batch."""
    monkeypatch.setattr(members, "BATCH_SIZE", 2)
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)


IDS = [f"{n}" for n in range(9)]


@pytest.fixture
def large(small_batches: None, app: Flask) -> None:
    """Nine customers, the first four of them members."""
    add_customers(*IDS)
    for document_id in IDS[:4]:
        set_segments(document_id, [*BASIC, *GOLD])


@pytest.mark.usefixtures("large")
def test_more_than_a_batch_of_changes_is_a_job_and_one_change_set(api: Api) -> None:
    before = all_segments()
    response = put(api, ["unknown", *IDS[3:8]], headers={"Change-Reason": "Campaign 7"}, status=202)
    started: Any = response.json
    assert (started["state"], started["done"], started["total"], started["changeSet"]) == ("applying", 0, 7, None)
    assert response.headers["Location"] == f"/api/v3/jobs/{started['id']}"
    assert all_segments() == before, "nothing is applied yet"
    job = finish_job(api, response)
    report = job.pop("report")
    assert {name: report[name] for name in ("added", "removed", "changed", "unchanged", "notFound")} == {
        "added": 4, "removed": 3, "changed": 7, "unchanged": 1, "notFound": ["unknown"],
    }  # fmt: skip
    assert (job["state"], job["done"], job["error"]) == ("done", 7, None)
    assert sorted(id_ for id_, segments in all_segments().items() if GOLD[0] in segments) == IDS[3:8]
    assert all_segments()["0"] == BASIC
    totals: Any = api.get(f"/api/v3/change-sets/{job['changeSet']}").json
    assert (totals["state"], totals["changed"], totals["note"]) == ("done", 7, "Campaign 7")
    assert recount(TESTER) == []
    api.call("POST", f"/api/v3/change-sets/{job['changeSet']}/revert")
    assert all_segments() == before


@pytest.mark.usefixtures("large")
def test_a_batch_of_changes_is_one_request(api: Api) -> None:
    assert put(api, IDS[:6]).json == {
        "added": 2, "removed": 0, "unchanged": 4, "notFound": [], "changeSet": str(count_change_sets()),
    }  # fmt: skip


@pytest.mark.usefixtures("large")
def test_a_large_dry_run_and_a_large_refusal_are_answered_at_once(app: Flask, shell: Shell, api: Api) -> None:
    before = all_segments(), count_change_sets()
    assert put(api, IDS[4:], "?dry_run=true").json == {
        "added": 5, "removed": 4, "unchanged": 0, "notFound": [], "changeSet": None,
    }  # fmt: skip
    guarded = shell("tokens", "create", "guarded", "--guard-customers", "3").stdout.splitlines()[-1]
    headers = {"Authorization": f"Bearer {guarded}"}
    assert app.test_client().put(URL, json={"document_ids": IDS[4:]}, headers=headers).status_code == 409
    assert (all_segments(), count_change_sets()) == before


@pytest.mark.usefixtures("large")
def test_a_repeated_key_answers_with_the_same_job(api: Api) -> None:
    key = {"Idempotency-Key": "large-1"}
    first = put(api, IDS, headers=key, status=202)
    again = put(api, IDS, headers=key, status=202)
    assert (again.json, again.headers["Location"]) == (first.json, first.headers["Location"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert finish_job(api, first)["report"]["added"] == 5
    api.get("/api/v3/jobs/2", status=404, code="NOT_FOUND")


@pytest.mark.usefixtures("large")
def test_who_changes_is_fixed_by_the_request(api: Api) -> None:
    """Changes between the request and the batch stay, of other segments and of customers who are not in the job."""
    response = put(api, IDS[3:8], status=202)
    set_segments("0", [*GOLD, *SILVER])
    set_segments("4", GOLD)
    set_segments("8", GOLD)
    report = finish_job(api, response)["report"]
    assert (report["added"], report["removed"], report["unchanged"]) == (3, 3, 2)
    assert all_segments()["0"] == SILVER
    assert all_segments()["8"] == GOLD


@pytest.mark.usefixtures("large")
def test_a_cancelled_job_changes_nothing_more(api: Api) -> None:
    before = all_segments()
    response = put(api, IDS, status=202)
    cancelled: Any = api.call("DELETE", response.headers["Location"]).json
    assert cancelled["state"] == "cancelled"
    assert finish_job(api, response)["state"] == "cancelled"
    assert all_segments() == before


@pytest.mark.usefixtures("large")
def test_a_killed_worker_is_followed_by_another_and_nothing_is_done_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = put(api, IDS[3:8], status=202)
    kill_in_batch(2, monkeypatch)
    job = finish_job(api, response)
    assert (job["report"]["added"], job["report"]["removed"]) == (4, 3)
    assert sorted(id_ for id_, segments in all_segments().items() if GOLD[0] in segments) == IDS[3:8]
    assert recount(TESTER) == []
