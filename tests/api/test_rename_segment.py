"""POST /api/v3/segments/<type>/<value>/rename: a job renames or merges a segment (contract §8)."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access.api_tokens import create_token
from app.core.counts.recount import recount
from app.jobs import batches, bulk_edits
from tests.support.api_jobs import finish_job
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, count_change_sets, set_segments

URL = "/api/v3/segments/membership/GOLD/rename"
PLATINUM = {"type": "membership", "value": "PLATINUM"}
WINE = {"type": "interest", "value": "WINE"}


def rename(api: Api, new: dict[str, Any], status: int = 202, **kwargs: Any) -> TestResponse:
    return api.call("POST", URL, json=new, status=status, **kwargs)


@pytest.fixture
def shop(app: Flask) -> None:
    add_customers("a", "b", "c")
    set_segments("a", [WINE, *GOLD, *SILVER])
    set_segments("b", GOLD)
    set_segments("c", SILVER)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("batch_size", [1, 5000])
def test_every_customer_has_the_new_segment_in_place_of_the_old(
    api: Api, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", batch_size)
    monkeypatch.setattr(bulk_edits, "BATCH_SIZE", batch_size)
    before = all_segments()
    response = rename(api, PLATINUM)
    started: Any = response.json
    assert (started["state"], started["changeSet"], started["error"]) == ("checking", None, None)
    assert response.headers["Location"] == f"/api/v3/jobs/{started['id']}"
    assert all_segments() == before
    job = finish_job(api, response)
    assert (job["state"], job["done"], job["total"], job["error"]) == ("done", 2, 2, None)
    assert job["report"]["changed"] == 2
    assert all_segments() == {"a": [WINE, PLATINUM, *SILVER], "b": [PLATINUM], "c": SILVER}
    totals: Any = api.get(f"/api/v3/change-sets/{job['changeSet']}").json
    assert (totals["changed"], totals["actor"], totals["source"]) == (2, "token crm-nightly", "api")
    assert totals["note"] == "Renames membership GOLD → membership PLATINUM"
    assert recount(TESTER) == []
    api.call("POST", f"/api/v3/change-sets/{job['changeSet']}/revert")
    assert all_segments() == before


@pytest.mark.usefixtures("shop")
def test_a_customer_who_has_both_keeps_the_new_one_once(api: Api) -> None:
    finish_job(api, rename(api, SILVER[0]))
    assert all_segments() == {"a": [WINE, *SILVER], "b": SILVER, "c": SILVER}


@pytest.mark.usefixtures("shop")
def test_a_segment_of_no_customer_is_renamed_without_a_change_set(api: Api) -> None:
    before = all_segments(), count_change_sets()
    response = api.call("POST", "/api/v3/segments/membership/IRON/rename", json=PLATINUM, status=202)
    job = finish_job(api, response)
    assert (job["state"], job["report"]["changed"], job["changeSet"]) == ("done", 0, None)
    assert (all_segments(), count_change_sets()) == before


@pytest.mark.usefixtures("shop")
def test_a_key_starts_one_job_and_a_reason_is_the_note(api: Api) -> None:
    headers = {"Idempotency-Key": "rename-1", "Change-Reason": "Relaunch"}
    first, again = rename(api, PLATINUM, headers=headers), rename(api, PLATINUM, headers=headers)
    assert (again.json, again.headers["Location"]) == (first.json, first.headers["Location"])
    assert again.headers["Idempotent-Replayed"] == "true"
    rename(api, SILVER[0], headers=headers, status=422, code="IDEMPOTENCY_MISMATCH")
    job = finish_job(api, first)
    assert api.get(f"/api/v3/change-sets/{job['changeSet']}").json["note"] == "Relaunch"  # type: ignore[index]


@pytest.mark.usefixtures("shop")
def test_a_cancelled_rename_changes_nothing(api: Api) -> None:
    before = all_segments()
    response = rename(api, PLATINUM)
    assert api.call("DELETE", response.headers["Location"]).json["state"] == "cancelled"  # type: ignore[index]
    assert finish_job(api, response)["state"] == "cancelled"
    assert all_segments() == before


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "type"),
        ({"type": "membership", "value": 1}, "value"),
        ({"type": "membership", "value": "a\0"}, "value"),
        ({"type": "membership", "value": "GOLD"}, "value"),
    ],
)
def test_rejects_another_body(api: Api, body: dict[str, Any], path: str) -> None:
    response = rename(api, body, status=400, code="VALIDATION_ERROR")
    assert response.json["error"]["details"][0]["path"] == path  # type: ignore[index]


def test_unsupported_headers_and_parameters_are_refused(app: Flask, api: Api) -> None:
    rename(api, PLATINUM, status=400, code="VALIDATION_ERROR", headers={"Guard": "override"})
    api.call("POST", f"{URL}?dry_run=true", json=PLATINUM, status=400, code="VALIDATION_ERROR")
    reader = api_with(app, create_token("reader", scopes=("segments:read",)))
    rename(reader, PLATINUM, status=403, code="FORBIDDEN")
    api.get("/api/v3/jobs/1", status=404, code="NOT_FOUND")


@pytest.mark.usefixtures("shop")
def test_a_token_limited_to_types_renames_within_these(app: Flask, shell: Shell) -> None:
    secret = shell("tokens", "create", "loyalty", "--type", "membership").stdout.splitlines()[-1]
    api = api_with(app, secret)
    rename(api, WINE, status=403, code="FORBIDDEN")
    api.call("POST", "/api/v3/segments/interest/WINE/rename", json=PLATINUM, status=403, code="FORBIDDEN")
    assert finish_job(api, rename(api, PLATINUM))["report"]["changed"] == 2
