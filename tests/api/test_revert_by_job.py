"""Change sets that are reverted by a job: previewed, then in batches (contract §8)."""

from typing import Any

import pytest

from app.access.api_tokens import create_token
from app.core.changes.guard import Guard
from app.core.counts.recount import recount
from app.jobs import reverts
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.imports import run_job


def replaced(api: Api, segments: Any, *document_ids: str) -> str:
    """Replace the segments of these customers, and return the change set."""
    return api.replace([{"document_id": id_, "segments": segments} for id_ in document_ids]).headers["Change-Set"]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverts, "BATCH_SIZE", 2)


def by_job(api: Api, change_set: str, *, query: str = "", **headers: str) -> dict[str, Any]:
    """Revert a change set by a job, run it, and return it as the API shows it."""
    http_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    started = api.call("POST", f"/api/v3/change-sets/{change_set}/revert{query}", headers=http_headers, status=202)
    assert started.json["state"] == "checking"
    while run_job():
        pass
    job: dict[str, Any] = api.get(started.headers["Location"]).json
    return job


@pytest.mark.usefixtures("small_batches")
def test_more_than_one_batch_is_reverted_by_a_job(api: Api) -> None:
    ids = list("abcdefg")
    add_customers(*ids)
    nightly = replaced(api, GOLD, *ids)
    set_segments("c", SILVER)
    job = by_job(api, nightly)
    assert (job["state"], job["report"]["changed"], job["report"]["conflicts"]) == ("done", 6, ["c"])
    assert {id_: bool(segments) for id_, segments in all_segments().items()} == {id_: id_ == "c" for id_ in ids}
    change_set = api.get(f"/api/v3/change-sets/{job['changeSet']}").json
    assert (change_set["state"], change_set["reverts"], change_set["changed"]) == ("done", nightly, 6)
    assert recount(TESTER) == []
    assert by_job(api, job["changeSet"])["report"]["changed"] == 6
    assert all_segments()["a"] == GOLD


def test_one_batch_is_reverted_by_a_job_if_the_client_prefers_it(api: Api) -> None:
    add_customers("a")
    nightly = replaced(api, GOLD, "a")
    assert by_job(api, nightly, query="?dry_run=true", Prefer="respond-async")["report"]["changed"] == 1
    assert all_segments() == {"a": GOLD}
    job = by_job(api, nightly, Prefer="wait=10, respond-async", Change_Reason="Wrong file")
    assert api.get(f"/api/v3/change-sets/{job['changeSet']}").json["note"] == "Wrong file"
    assert all_segments() == {"a": []}


@pytest.mark.usefixtures("small_batches")
def test_guard_and_types_hold_for_a_job(api: Api) -> None:
    add_customers(*"abc")
    nightly = replaced(api, GOLD, *"abc")
    guarded = Api(api.client, create_token("guarded", guard=Guard(customers=2)))
    job = by_job(guarded, nightly)
    assert (job["state"], job["changeSet"]) == ("failed", None)
    assert "3 customers would lose all their segments" in job["error"]
    limited = Api(api.client, create_token("limited", types=["region"]))
    assert by_job(limited, nightly)["state"] == "failed"
    assert set(map(str, all_segments().values())) == {str(GOLD)}
    assert by_job(guarded, nightly, Guard="override")["state"] == "done"


@pytest.mark.usefixtures("small_batches")
def test_created_and_renamed_customers_are_reverted_by_a_job(api: Api) -> None:
    body = {"customers": [{"document_id": id_, "name": "Ana"} for id_ in "abcde"]}
    created = api.call("POST", "/api/v3/customers", json=body).headers["Change-Set"]
    set_segments("e", GOLD)
    job = by_job(api, created)
    assert (job["report"]["changed"], job["report"]["conflicts"]) == (4, ["e"])
    assert all_segments() == {"e": GOLD}
    assert by_job(api, job["changeSet"])["report"]["changed"] == 4
    assert sorted(all_segments()) == list("abcde")


def test_rename_is_reverted_by_a_job(api: Api) -> None:
    add_customers("a")
    set_segments("a", GOLD)
    renamed = api.call("POST", "/api/v3/customers/a/rename", json={"document_id": "b"}).json["changeSet"]
    add_customers("a")
    assert by_job(api, renamed, Prefer="respond-async")["report"]["conflicts"] == ["b"]
    api.call("POST", "/api/v3/customers/a/rename", json={"document_id": "c"})
    assert by_job(api, renamed, Prefer="respond-async")["report"]["changed"] == 1
    assert all_segments() == {"a": GOLD, "c": []}


def test_repeat_with_the_same_key_is_the_same_revert(api: Api) -> None:
    add_customers("a")
    nightly = replaced(api, GOLD, "a")
    url, headers = f"/api/v3/change-sets/{nightly}/revert", {"Prefer": "respond-async", "Idempotency-Key": "1"}
    first, again = (api.call("POST", url, headers=headers, status=202) for _ in range(2))
    assert first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
