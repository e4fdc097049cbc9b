"""A token's guard: a request that would empty too many customers is refused (contract §2)."""

from typing import Any

import pytest
from flask import Flask

from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, add_customers, all_segments

IDS = [f"{n:03}" for n in range(100)]


@pytest.fixture
def nightly(app: Flask, shell: Shell) -> Api:
    """A token with a guard of 20 %, and a hundred customers with segments."""
    api = api_with(app, shell("tokens", "create", "crm", "--guard-percent", "20").stdout.splitlines()[-1])
    add_customers(*IDS)
    api.updated([{"document_id": document_id, "segments": GOLD} for document_id in IDS])
    return api


def rows(with_segments: int) -> list[dict[str, Any]]:
    return [{"document_id": id_, "segments": SILVER if n < with_segments else []} for n, id_ in enumerate(IDS)]


def test_a_truncated_file_is_refused_with_a_report_and_changes_nothing(nightly: Api) -> None:
    before = all_segments()
    response: Any = nightly.client.post(
        "/api/v3/customers/segments", json={"customers": rows(10)}, headers=nightly.headers
    )
    assert response.status_code == 409
    assert response.json["error"]["code"] == "CHANGE_TOO_LARGE"
    assert "90 customers" in response.json["error"]["message"]
    report = {"changed": 100, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": None}
    assert response.json["report"] == report
    assert all_segments() == before


def test_replacement_is_accepted_when_the_guard_is_overridden(nightly: Api) -> None:
    nightly.replace(rows(10), headers={"Guard": "override"})
    assert sum(segments == [] for segments in all_segments().values()) == 90


def test_replacement_up_to_the_guard_is_accepted(nightly: Api) -> None:
    nightly.replace(rows(80))
    assert sum(segments == [] for segments in all_segments().values()) == 20
    nightly.replace(rows(80))  # who had none has lost none


def test_can_be_a_number_and_holds_for_a_dry_run(app: Flask, shell: Shell, ana: str) -> None:
    api = api_with(app, shell("tokens", "create", "t", "--guard-customers", "0").stdout.splitlines()[-1])
    api.updated([{"document_id": ana, "segments": GOLD}])
    body = {"customers": [{"document_id": ana, "segments": None}]}
    for query in ("", "?dry_run=true"):
        response = app.test_client().post(f"/api/v3/customers/segments{query}", json=body, headers=api.headers)
        assert response.status_code == 409
    patch = {"customers": [{"document_id": ana, "add": [], "remove": GOLD}]}
    assert app.test_client().patch("/api/v3/customers/segments", json=patch, headers=api.headers).status_code == 409
    assert all_segments() == {ana: GOLD}


def test_guard_is_off_by_default(api: Api, ana: str) -> None:
    api.updated([{"document_id": ana, "segments": GOLD}])
    api.updated([{"document_id": ana, "segments": []}])
    assert all_segments() == {ana: []}
